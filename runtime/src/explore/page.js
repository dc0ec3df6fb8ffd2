'use strict';
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const byId = id => document.getElementById(id);

  // Texts of a program are always text, never markup.
  const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  const svg = (name, attributes) => {
    const made = document.createElementNS('http://www.w3.org/2000/svg', name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const grouped = number => number.toLocaleString('en-US');
  const scaled = (number, unit, step, names) => {
    let place = 0;
    while (Math.abs(number) >= step && place + 1 < names.length) { number /= step; place += 1; }
    return `${place ? number.toPrecision(3) : grouped(Math.round(number))} ${names[place]}${unit}`;
  };
  const bytes = number => scaled(number, 'B', 1000, ['', 'k', 'M', 'G', 'T']);
  const operations = number => scaled(number, 'FLOP', 1000, ['', 'k', 'M', 'G', 'T', 'P']);
  const time = seconds => seconds >= 1 ? `${seconds.toPrecision(3)} s`
    : seconds >= 1e-3 ? `${(seconds * 1e3).toPrecision(3)} ms` : `${(seconds * 1e6).toFixed(1)} µs`;
  const value = number => number === 0 ? '0' : number.toPrecision(3).replace(/\.?0+(?=e|$)/, '');

  // The tree: a node for each path, and the calls of that module.
  const nodes = new Map();
  const node = path => {
    if (nodes.has(path)) return nodes.get(path);
    const cut = path.lastIndexOf('/');
    const made = { path, name: path.slice(cut + 1), calls: [], children: [], folded: false, parent: null };
    nodes.set(path, made);
    if (path !== '') {
      made.parent = node(cut < 0 ? '' : path.slice(0, cut));
      made.parent.children.push(made);
    }
    return made;
  };
  const root = node('');
  root.name = data.model;
  data.modules.forEach(call => node(call.path).calls.push(call));

  const total = (one, of) =>
    one.calls.reduce((sum, call) => sum + of(call), 0) + one.children.reduce((sum, child) => sum + total(child, of), 0);
  const size = key => call => call.parameters
    .filter(parameter => parameter.collection === 'params')
    .reduce((sum, parameter) => sum + parameter[key], 0);
  const marksOf = call => {
    const marks = [];
    const look = (stats, what) => {
      if (stats && stats.nan) marks.push(['bad', `NaN in ${what}`]);
      else if (stats && stats.infinite) marks.push(['bad', `∞ in ${what}`]);
    };
    look(call.output, 'output');
    look(call.gradient, 'gradient');
    call.parameters.forEach(parameter => {
      look(parameter.values, parameter.name);
      look(parameter.gradient, `gradient of ${parameter.name}`);
    });
    if (call.dead && call.dead[0]) marks.push(['warn', `${call.dead[0]} of ${call.dead[1]} units dead`]);
    return marks;
  };
  for (const one of nodes.values()) {
    one.parameters = total(one, size('count'));
    one.bytes = total(one, size('bytes'));
    one.marks = one.calls.flatMap(marksOf);
    const texts = one.calls.flatMap(call => [call.module, call.method, call.inputs, call.outputs,
      ...call.parameters.flatMap(parameter => [parameter.name, parameter.collection, `[${parameter.shape.join(', ')}]`])]);
    one.text = [one.path || data.model, ...texts, ...one.marks.map(mark => mark[1])].join('\n').toLowerCase();
  }
  const sum = (one, key) => {
    const known = one.calls.filter(call => !call.inner).map(call => call[key]).filter(number => number !== null);
    return known.length ? known.reduce((a, b) => a + b) : null;
  };
  // Steps are known by module, so that each call has the time of all.
  const spentIn = one => one.calls.length ? one.calls[0].time : null;

  // The rows, made anew at each change: models have hundreds of modules, not hundreds of thousands.
  let chosen = root;
  const rows = byId('rows');
  const highlighted = (text, query) => {
    const at = query ? text.toLowerCase().indexOf(query) : -1;
    if (at < 0) return [text];
    return [text.slice(0, at), element('mark', {}, text.slice(at, at + query.length)), text.slice(at + query.length)];
  };
  const shown = () => {
    const query = byId('search').value.trim().toLowerCase();
    const onlyMarked = byId('only-marked').checked;
    const isFiltered = query !== '' || onlyMarked;
    const fits = one => one.text.includes(query) && (!onlyMarked || one.marks.length > 0);
    const hasFit = one => fits(one) || one.children.some(hasFit);
    const found = [];
    const visit = (one, depth) => {
      if (isFiltered && !hasFit(one)) return;
      found.push([one, depth]);
      if (isFiltered || !one.folded) one.children.forEach(child => visit(child, depth + 1));
    };
    visit(root, 0);
    return { found, query, isFiltered };
  };
  const draw = () => {
    const { found, query, isFiltered } = shown();
    const all = data.time;
    rows.replaceChildren(...found.map(([one, depth]) => {
      const isOpen = isFiltered || !one.folded;
      const row = element('tr', { role: 'row', 'aria-level': depth + 1, 'aria-selected': one === chosen, 'data-path': one.path,
        tabindex: one === chosen ? 0 : -1 });
      const twist = element('span', { class: 'twist', 'aria-hidden': 'true' }, one.children.length ? (isOpen ? '▾' : '▸') : '');
      if (one.children.length) row.setAttribute('aria-expanded', isOpen);
      twist.addEventListener('click', event => { event.stopPropagation(); fold(one, !one.folded); });
      const call = one.calls[0];
      const name = element('td', {}, twist, element('span', { class: 'name' }, ...highlighted(one.name, query)), ' ');
      name.style.paddingLeft = `${8 + depth * 16}px`;
      if (call && one !== root) name.append(element('span', { class: 'type' }, ...highlighted(call.module, query)));
      const outer = one.calls.filter(call => !call.inner).length;
      if (outer > 1) name.append(element('span', { class: 'type' }, ` × ${outer}`));
      one.marks.slice(0, 2).forEach(([kind, text]) => name.append(element('span', { class: `mark ${kind}` }, text)));
      if (one.marks.length > 2) name.append(element('span', { class: 'mark warn' }, `+ ${one.marks.length - 2}`));
      const flops = sum(one, 'flops'), spent = spentIn(one);
      const timed = element('td', { class: 'number time' }, spent === null ? '' : time(spent));
      if (spent !== null && all) timed.style.setProperty('--part', `${Math.min(100, spent / all * 100)}%`);
      row.append(name,
        element('td', { class: 'shape' }, call ? call.outputs : ''),
        element('td', { class: 'number' }, one.parameters ? grouped(one.parameters) : ''),
        element('td', { class: 'number' }, one.bytes ? bytes(one.bytes) : ''),
        element('td', { class: 'number' }, flops === null ? '' : operations(flops)),
        timed);
      row.addEventListener('click', () => choose(one));
      return row;
    }));
    byId('nothing').hidden = found.length > 0;
  };
  const fold = (one, folded) => { one.folded = folded; draw(); };
  const choose = (one, focus = false) => {
    chosen = one;
    draw();
    detail(one);
    if (focus) rows.querySelector('[aria-selected=true]')?.focus();
  };

  // What there is to say of one module.
  const histogram = (title, stats, color) => {
    const most = Math.max(...stats.histogram, 1), bins = stats.histogram.length;
    const drawing = svg('svg', { viewBox: `0 0 ${bins} 40`, preserveAspectRatio: 'none', role: 'img',
      'aria-label': `${title}: from ${value(stats.min)} to ${value(stats.max)}, mean ${value(stats.mean)}` });
    // By square roots, so that rare values can be seen beside frequent ones.
    stats.histogram.forEach((count, place) => {
      const height = count ? Math.max(1, Math.sqrt(count / most) * 39) : 0;
      drawing.append(svg('rect', { x: place + 0.06, y: 40 - height, width: 0.88, height, fill: `var(--${color})` }));
    });
    drawing.append(svg('rect', { x: 0, y: 39.6, width: bins, height: 0.4, fill: 'var(--line)' }));
    const facts = [`mean ${value(stats.mean)}`, `std ${value(stats.std)}`];
    if (stats.zeros) facts.push(`${(stats.zeros / stats.count * 100).toPrecision(3)} % zero`);
    const caption = element('figcaption', {}, element('b', {}, title), ` ${facts.join(', ')}`);
    if (stats.nan) caption.append(element('span', { class: 'mark bad' }, `${grouped(stats.nan)} NaN`));
    if (stats.infinite) caption.append(element('span', { class: 'mark bad' }, `${grouped(stats.infinite)} infinite`));
    return element('figure', {}, caption, drawing,
      element('div', { class: 'axis' }, element('span', {}, value(stats.min)), element('span', {}, value(stats.max))));
  };
  const charts = (values, gradient, what) => {
    const made = element('div', { class: 'charts' });
    if (values) made.append(histogram(what, values, 'values'));
    if (gradient) made.append(histogram('gradient', gradient, 'gradients'));
    return made;
  };
  // From dark blue over green to yellow, as bright as the value is large; no value is red.
  const stops = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
  const colors = Array.from({ length: 255 }, (_, level) => {
    const at = level / 254 * (stops.length - 1), low = Math.min(Math.floor(at), stops.length - 2);
    return stops[low].map((start, channel) => Math.round(start + (stops[low + 1][channel] - start) * (at - low)));
  }).concat([[214, 39, 40]]);
  const map = picture => {
    const canvas = element('canvas', { width: picture.width, height: picture.height, role: 'img',
      'aria-label': `${picture.title}, ${picture.height} × ${picture.width}` });
    const context = canvas.getContext('2d');
    const image = context.createImageData(picture.width, picture.height);
    for (let pixel = 0; pixel < picture.width * picture.height; pixel += 1) {
      const color = colors[parseInt(picture.pixels.slice(2 * pixel, 2 * pixel + 2), 16)];
      image.data.set([...color, 255], 4 * pixel);
    }
    context.putImageData(image, 0, 0);
    return element('figure', {}, canvas, element('figcaption', {}, picture.title));
  };
  const facts = pairs => {
    const list = element('dl');
    pairs.filter(([, text]) => text).forEach(([name, text]) => list.append(element('dt', {}, name), element('dd', {}, text)));
    return list;
  };
  const detail = one => {
    const parts = [element('h2', {}, one.path || data.model)];
    if (one.calls.length === 0) parts.push(element('p', { class: 'type' }, 'None of its own methods was called, only those of its submodules.'));
    one.calls.forEach((call, place) => {
      const title = one.calls.length > 1 ? `${call.module}.${call.method}, call ${place + 1} of ${one.calls.length}` : `${call.module}.${call.method}`;
      parts.push(element('div', { class: place ? 'type next' : 'type' }, title));
      const marks = element('div');
      marksOf(call).forEach(([kind, text]) => marks.append(element('span', { class: `mark ${kind}`, style: 'margin: 0 6px 0 0' }, text)));
      parts.push(marks, facts([
        ['inputs', call.inputs], ['outputs', call.outputs],
        ['operations', call.flops === null ? '' : operations(call.flops)],
        ['time', call.time === null ? '' : time(call.time)],
      ]));
      if (call.output || call.gradient) parts.push(element('h3', {}, 'Output'), charts(call.output, call.gradient, 'values'));
      if (call.pictures.length) {
        const wide = call.pictures.length === 1 ? ' wide' : '';
        parts.push(element('h3', {}, 'Feature maps'), element('div', { class: `maps${wide}` }, ...call.pictures.map(map)));
      }
      if (call.parameters.length) parts.push(element('h3', {}, 'Parameters and variables'));
      call.parameters.forEach(parameter => parts.push(element('div', { class: 'parameter' },
        element('b', {}, parameter.name), ' ',
        element('code', {}, `${parameter.dtype}[${parameter.shape.join(', ')}]`),
        element('span', { class: 'type' }, `  ${bytes(parameter.bytes)}${parameter.collection === 'params' ? '' : `, in ${parameter.collection}`}`),
        charts(parameter.values, parameter.gradient, 'values'))));
    });
    byId('details').replaceChildren(...parts);
    byId('details').scrollTop = 0;
  };

  // The head, and what keys and buttons do.
  document.title = data.model;
  byId('model').append(data.model);
  const fact = (number, text) => byId('totals').append(element('li', {}, element('b', {}, number), ` ${text}`));
  fact(grouped(data.parameters), 'parameters');
  fact(bytes(data.bytes), '');
  fact(grouped(nodes.size), 'modules');
  if (sum(root, 'flops') !== null) fact(operations(sum(root, 'flops')), 'a call');
  if (data.time !== null) fact(time(data.time), 'a compiled call');
  data.notes.forEach(note => byId('notes').append(element('li', {}, note)));
  byId('marked').append(`(${[...nodes.values()].filter(one => one.marks.length).length})`);
  byId('search').addEventListener('input', draw);
  byId('only-marked').addEventListener('change', draw);
  const foldAll = folded => { nodes.forEach(one => { one.folded = folded && one !== root; }); draw(); };
  byId('fold').addEventListener('click', () => foldAll(true));
  byId('unfold').addEventListener('click', () => foldAll(false));
  document.addEventListener('keydown', event => {
    const isTyping = event.target === byId('search');
    if (event.key === '/' && !isTyping) { event.preventDefault(); byId('search').focus(); }
    if (event.key === 'Escape' && isTyping) { byId('search').value = ''; draw(); }
  });
  rows.addEventListener('keydown', event => {
    const { found, isFiltered } = shown();
    const at = found.findIndex(([one]) => one === chosen);
    const go = one => { event.preventDefault(); choose(one, true); };
    if (event.key === 'ArrowDown' && at + 1 < found.length) go(found[at + 1][0]);
    if (event.key === 'ArrowUp' && at > 0) go(found[at - 1][0]);
    if (event.key === 'Home') go(found[0][0]);
    if (event.key === 'End') go(found[found.length - 1][0]);
    if (event.key === 'ArrowRight' && chosen.children.length && !isFiltered) { chosen.folded = false; go(chosen); }
    if (event.key === 'ArrowLeft' && !isFiltered) {
      if (chosen.children.length && !chosen.folded) { chosen.folded = true; go(chosen); }
      else if (chosen.parent) go(chosen.parent);
    }
  });
  choose(root);
})();
