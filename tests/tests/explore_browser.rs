//! What a page about a model does in a browser: `FLAXEN_CHROMIUM`, a Chromium, or a `chromium` that is installed.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use flaxen::prelude::*;

/// Before the page's own script, so that it hears of all errors.
const LISTEN: &str = "<script>window.errors = []; window.addEventListener('error', event => window.errors.push(event.message));\
    window.addEventListener('securitypolicyviolation', event => window.errors.push(event.violatedDirective));</script>";

/// What a person would do, and what is to be seen then: a line each.
const VISIT: &str = r"<script>
const seen = [], rows = () => [...document.querySelectorAll('#rows tr')], names = () => rows().map(row => row.dataset.path).join(' ');
const press = key => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
const search = text => { document.getElementById('search').value = text; document.getElementById('search').dispatchEvent(new Event('input')); };
const note = (what, value) => seen.push(`${what}: ${value}`);
note('title', document.title);
note('open', names());
document.querySelector('[data-path=blocks_0] .twist').click();
note('folded', names());
document.getElementById('fold').click();
note('all folded', names());
document.getElementById('unfold').click();
note('unfolded', rows().length);
search('conv');
note('found', names());
note('marked text', document.querySelectorAll('#rows mark').length > 0);
search('kernel');
note('by parameter', names());
search('no such thing');
note('none', rows().length + ' ' + !document.getElementById('nothing').hidden);
search('');
document.getElementById('only-marked').click();
note('with marks', names());
document.getElementById('only-marked').click();
document.querySelector('[data-path=head]').click();
note('details', document.querySelector('#details h2').textContent);
note('marks', [...document.querySelectorAll('#details .mark')].map(mark => mark.textContent).join(', '));
note('charts', document.querySelectorAll('#details svg').length);
document.querySelector('[aria-selected=true]').focus();
press('ArrowUp');
note('up', document.querySelector('#details h2').textContent);
press('ArrowLeft');
press('ArrowLeft');
note('left', document.querySelector('#details h2').textContent + ' ' + rows().length);
press('ArrowRight');
document.querySelector('[data-path=\'blocks_0/Conv_0\']').click();
note('maps', document.querySelectorAll('#details canvas').length);
const pixels = canvas => [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data];
note('painted', new Set(pixels(document.querySelector('#details canvas'))).size > 8);
note('errors', window.errors.join('; '));
const text = document.createElement('pre');
text.id = 'seen';
text.textContent = seen.join('\n');
document.body.prepend(text);
text.hidden = true;
</script>";

const EXPECTED: &str = "\
title: Network
open:  blocks_0 blocks_0/Conv_0 blocks_1 blocks_1/Conv_0 head
folded:  blocks_0 blocks_1 blocks_1/Conv_0 head
all folded:  blocks_0 blocks_1 head
unfolded: 6
found:  blocks_0 blocks_0/Conv_0 blocks_1 blocks_1/Conv_0
marked text: true
by parameter:  blocks_0 blocks_0/Conv_0 blocks_1 blocks_1/Conv_0 head
none: 0 true
with marks:  head
details: head
marks: NaN in output, NaN in bias, 2 NaN, 1 NaN
charts: 6
up: blocks_1/Conv_0
left: blocks_1 5
maps: 4
painted: true
errors: ";

#[module]
struct Block;

impl Layer for Block {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        Ok(Conv::new(4, [3, 3]).call(x)?.relu())
    }
}

#[module]
struct Network {
    #[setup(vec![Block::new(), Block::new()])]
    blocks: Vec<Block>,
    #[setup(Dense::new(3))]
    head: Dense,
}

impl Layer for Network {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.blocks[1].call(&self.blocks[0].call(x)?)?;
        self.head.call(&x.flatten(1))
    }
}

fn chromium() -> Option<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let installed = || std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name)));
    std::env::var_os("FLAXEN_CHROMIUM")
        .or_else(|| installed().find(|file| file.is_file()).map(OsString::from))
}

fn visit(chromium: &OsString, profile: &Path, page: &Path, arguments: &[String]) -> (String, String) {
    let output = Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--enable-logging=stderr", "--window-size=1400,1000", "--virtual-time-budget=2000"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(arguments)
        .arg(format!("file://{}", page.display()))
        .output()
        .expect("the browser starts");
    let [out, log] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{log}");
    (out, log)
}

#[test]
fn a_page_opens_folds_searches_and_draws_without_an_error() -> Result<()> {
    let Some(chromium) = chromium() else {
        eprintln!("skipped: no Chromium is installed, and FLAXEN_CHROMIUM names none");
        return Ok(());
    };
    let x = random::normal(&key(1), [2, 8, 8, 1]);
    let model = Network::new();
    let variables = model.init(key(0)).call(&x)?;
    let broken = variables.dict("params")?.with("head/bias", Tensor::from([0.0f32, f32::NAN, 0.0]));
    let loss = |logits: Tensor| Ok(logits.sum());
    let explored =
        model.explore(key(0)).variables([("params", &broken)]).run_with_loss(|m| m.call(&x), loss)?;

    // Beside the pages of other runs, where people find what tests have made.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("explore");
    std::fs::create_dir_all(&folder)?;
    let (page, visited, picture) =
        (folder.join("model.html"), folder.join("visited.html"), folder.join("model.png"));
    explored.save_html(&page)?;
    let html = std::fs::read_to_string(&page)?;
    let html = html.replacen("<head>", &format!("<head>{LISTEN}"), 1).replacen(
        "</body>",
        &format!("{VISIT}</body>"),
        1,
    );
    std::fs::write(&visited, html)?;

    let profile = tempfile::tempdir()?;
    let (document, log) = visit(&chromium, profile.path(), &visited, &["--dump-dom".to_owned()]);
    let seen =
        document.split_once("<pre id=\"seen\" hidden=\"\">").expect(&log).1.split_once("</pre>").unwrap().0;
    assert_eq!(seen, EXPECTED);
    assert!(!log.contains("CONSOLE"), "{log}");

    let _ = std::fs::remove_file(&picture);
    visit(&chromium, profile.path(), &page, &[format!("--screenshot={}", picture.display())]);
    assert!(std::fs::read(&picture)?.starts_with(b"\x89PNG"));
    Ok(())
}
