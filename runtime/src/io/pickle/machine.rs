//! The stack machine.

use std::io::{BufRead, Read as _};

use rustc_hash::FxHashMap;

use super::opcode as op;
use super::{Id, Node, Object, Pickle};

/// Nodes, and places of the stack, of a pickle; those of the largest models have some hundred thousands.
const MOST: usize = 1 << 23;

/// Bytes of the names of functions and classes, each of which is counted once; and entries of dicts that are made of lists. What is
/// meant again and again must not be copied as often.
const MOST_NAMES: usize = 1 << 20;
const MOST_COPIES: usize = 1 << 20;

/// The first nodes of each pickle, which take no memory for each time that they are meant.
const NONE: Id = Id(0);
const FALSE: Id = Id(1);
const TRUE: Id = Id(2);

/// Reads one pickle, up to its end.
pub(in super::super) fn read(from: &mut dyn BufRead) -> Result<Pickle, String> {
    let mut machine = Machine {
        from,
        nodes: vec![Node::None, Node::Bool(false), Node::Bool(true)],
        stack: Vec::new(),
        marks: Vec::new(),
        memo: FxHashMap::default(),
        globals: FxHashMap::default(),
        named: 0,
        copied: 0,
    };
    let root = machine.run()?;
    Ok(Pickle { nodes: machine.nodes, root })
}

struct Machine<'a> {
    from: &'a mut dyn BufRead,
    nodes: Vec<Node>,
    stack: Vec<Id>,
    /// How high the stack was at each mark.
    marks: Vec<usize>,
    memo: FxHashMap<u64, Id>,
    /// Functions and classes by the texts that name them.
    globals: FxHashMap<(Id, Id), Id>,
    /// Bytes of their names.
    named: usize,
    /// Entries of dicts that were made of lists.
    copied: usize,
}

impl Machine<'_> {
    fn run(&mut self) -> Result<Id, String> {
        loop {
            let [code] = self.bytes()?;
            match code {
                op::STOP => return self.pop(),
                op::PROTO => match self.bytes()? {
                    [0..=5] => {}
                    [protocol] => return Err(format!("the pickle has the unknown protocol {protocol}")),
                },
                op::FRAME => drop(self.bytes::<8>()?),
                _ => self.step(code)?,
            }
            if self.nodes.len().max(self.stack.len()).max(self.memo.len()) > MOST {
                return Err("the pickle has too many objects".to_owned());
            }
        }
    }

    fn step(&mut self, code: u8) -> Result<(), String> {
        match code {
            op::MARK => self.marks.push(self.stack.len()),
            op::POP => drop(self.pop()?),
            op::POP_MARK => drop(self.above_mark()?),
            op::DUP => {
                let top = self.top()?;
                self.stack.push(top);
            }

            op::NONE => self.stack.push(NONE),
            op::NEWTRUE => self.stack.push(TRUE),
            op::NEWFALSE => self.stack.push(FALSE),
            op::INT | op::LONG => self.int_as_text()?,
            op::BININT => {
                let int = i32::from_le_bytes(self.bytes()?);
                self.push(Node::Int(int.into()));
            }
            op::BININT1 => {
                let [int] = self.bytes()?;
                self.push(Node::Int(int.into()));
            }
            op::BININT2 => {
                let int = u16::from_le_bytes(self.bytes()?);
                self.push(Node::Int(int.into()));
            }
            op::LONG1 | op::LONG4 => {
                let len = self.len(if code == op::LONG1 { 1 } else { 4 })?;
                let bytes = self.some(len)?;
                self.push(int(bytes));
            }
            op::FLOAT => {
                let line = self.line()?;
                let float = line.trim().parse().map_err(|_| format!("`{line}` is no number"))?;
                self.push(Node::Float(float));
            }
            op::BINFLOAT => {
                let float = f64::from_be_bytes(self.bytes()?);
                self.push(Node::Float(float));
            }

            op::STRING => {
                let line = self.line()?;
                let text = line.trim().trim_matches(['\'', '"']).to_owned();
                self.push(Node::Text(text));
            }
            op::UNICODE => {
                let line = self.line()?;
                self.push(Node::Text(line));
            }
            op::SHORT_BINSTRING | op::SHORT_BINUNICODE => self.text(1)?,
            op::BINSTRING | op::BINUNICODE => self.text(4)?,
            op::BINUNICODE8 => self.text(8)?,
            op::SHORT_BINBYTES => self.binary(1)?,
            op::BINBYTES => self.binary(4)?,
            op::BINBYTES8 | op::BYTEARRAY8 => self.binary(8)?,

            op::EMPTY_TUPLE => self.push(Node::Tuple(Vec::new())),
            op::EMPTY_LIST => self.push(Node::List(Vec::new())),
            op::EMPTY_DICT => self.push(Node::Dict(Vec::new())),
            op::EMPTY_SET => self.push(Node::Set(Vec::new())),
            op::TUPLE1 => self.tuple_of(1)?,
            op::TUPLE2 => self.tuple_of(2)?,
            op::TUPLE3 => self.tuple_of(3)?,
            op::TUPLE => {
                let items = self.above_mark()?;
                self.push(Node::Tuple(items));
            }
            op::LIST => {
                let items = self.above_mark()?;
                self.push(Node::List(items));
            }
            op::FROZENSET => {
                let items = self.above_mark()?;
                self.push(Node::Set(items));
            }
            op::DICT => {
                let items = self.above_mark()?;
                self.push(Node::Dict(pairs(&items)?));
            }
            op::APPEND => {
                let item = self.pop()?;
                self.extend(&[item])?;
            }
            op::APPENDS | op::ADDITEMS => {
                let items = self.above_mark()?;
                self.extend(&items)?;
            }
            op::SETITEM => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.enter(vec![(key, value)])?;
            }
            op::SETITEMS => {
                let items = self.above_mark()?;
                self.enter(pairs(&items)?)?;
            }

            op::GET | op::BINGET | op::LONG_BINGET => {
                let key = self.memo_key(code, [op::GET, op::BINGET])?;
                let found = self.memo.get(&key);
                let found = *found
                    .ok_or_else(|| format!("the pickle asks for its {key}th object before it is there"))?;
                self.stack.push(found);
            }
            op::PUT | op::BINPUT | op::LONG_BINPUT => {
                let (key, top) = (self.memo_key(code, [op::PUT, op::BINPUT])?, self.top()?);
                self.memo.insert(key, top);
            }
            op::MEMOIZE => {
                let (key, top) = (self.memo.len() as u64, self.top()?);
                self.memo.insert(key, top);
            }

            op::GLOBAL => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Node::Global(format!("{module}.{name}")));
            }
            op::STACK_GLOBAL => {
                let (name, module) = (self.pop()?, self.pop()?);
                let global = self.stack_global(module, name)?;
                self.stack.push(global);
            }
            op::REDUCE | op::NEWOBJ => {
                let (args, callable) = (self.pop()?, self.pop()?);
                self.object(callable, args)?;
            }
            op::NEWOBJ_EX => {
                let (_by_name, args, callable) = (self.pop()?, self.pop()?, self.pop()?);
                self.object(callable, args)?;
            }
            op::BUILD => {
                let (state, top) = (self.pop()?, self.top()?);
                match &mut self.nodes[top.0 as usize] {
                    Node::Object(object) => object.state = Some(state),
                    _ => return Err("the pickle gives attributes to what has none".to_owned()),
                }
            }
            op::PERSID => {
                let line = self.line()?;
                let id = self.add(Node::Text(line));
                self.push(Node::Persistent(id));
            }
            op::BINPERSID => {
                let id = self.pop()?;
                self.push(Node::Persistent(id));
            }
            other => return Err(format!("the pickle has the opcode {other:#04x}, which no weights need")),
        }
        Ok(())
    }

    fn add(&mut self, node: Node) -> Id {
        self.nodes.push(node);
        // There are at most `MOST` and one step's.
        Id((self.nodes.len() - 1) as u32)
    }

    fn push(&mut self, node: Node) {
        let id = self.add(node);
        self.stack.push(id);
    }

    fn top(&self) -> Result<Id, String> {
        self.stack.last().copied().ok_or_else(empty)
    }

    /// What is below a mark is out of reach until the mark is gone.
    fn pop(&mut self) -> Result<Id, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() > floor { self.stack.pop().ok_or_else(empty) } else { Err(empty()) }
    }

    fn above_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().filter(|&mark| mark <= self.stack.len());
        Ok(self.stack.split_off(mark.ok_or("a mark is missing in the pickle")?))
    }

    fn tuple_of(&mut self, len: usize) -> Result<(), String> {
        let start = self.stack.len().checked_sub(len).ok_or_else(empty)?;
        let items = self.stack.split_off(start);
        self.push(Node::Tuple(items));
        Ok(())
    }

    fn stack_global(&mut self, module: Id, name: Id) -> Result<Id, String> {
        if let Some(&global) = self.globals.get(&(module, name)) {
            return Ok(global);
        }
        let text = |id: Id| match &self.nodes[id.0 as usize] {
            Node::Text(text) => Ok(text),
            _ => Err("the name of a class is no text".to_owned()),
        };
        let (in_module, its_name) = (text(module)?, text(name)?);
        self.named += in_module.len() + its_name.len();
        if self.named > MOST_NAMES {
            return Err("the pickle has too many names of classes, or too long ones".to_owned());
        }
        let global = Node::Global(format!("{in_module}.{its_name}"));
        let global = self.add(global);
        self.globals.insert((module, name), global);
        Ok(global)
    }

    fn object(&mut self, callable: Id, args: Id) -> Result<(), String> {
        let is_dict = matches!(&self.nodes[callable.0 as usize], Node::Global(name) if name == "collections.OrderedDict");
        let entries = if is_dict { self.entries_of(args).unwrap_or_default() } else { Vec::new() };
        self.copied += entries.len();
        if self.copied > MOST_COPIES {
            return Err("the pickle has too many dicts that are made of lists".to_owned());
        }
        let object = Object { callable, args, state: None, items: Vec::new(), entries };
        self.push(Node::Object(Box::new(object)));
        Ok(())
    }

    /// Python 2 makes an `OrderedDict` of a list of pairs.
    fn entries_of(&self, args: Id) -> Option<Vec<(Id, Id)>> {
        let node = |id: Id| &self.nodes[id.0 as usize];
        let Node::Tuple(args) = node(args) else { return None };
        let &[list] = &args[..] else { return None };
        let Node::List(list) = node(list) else { return None };
        let pair = |&id: &Id| match node(id) {
            Node::List(pair) | Node::Tuple(pair) => <[Id; 2]>::try_from(&pair[..]).ok().map(Into::into),
            _ => None,
        };
        if list.len() > MOST_COPIES { None } else { list.iter().map(pair).collect() }
    }

    fn extend(&mut self, items: &[Id]) -> Result<(), String> {
        let top = self.top()?;
        match &mut self.nodes[top.0 as usize] {
            Node::List(list) | Node::Set(list) => list.extend_from_slice(items),
            Node::Object(object) => object.items.extend_from_slice(items),
            _ => return Err("the pickle appends to what is no list".to_owned()),
        }
        Ok(())
    }

    fn enter(&mut self, new: Vec<(Id, Id)>) -> Result<(), String> {
        let top = self.top()?;
        match &mut self.nodes[top.0 as usize] {
            Node::Dict(entries) => entries.extend(new),
            Node::Object(object) => object.entries.extend(new),
            _ => return Err("the pickle gives keys to what is no dict".to_owned()),
        }
        Ok(())
    }

    fn memo_key(&mut self, code: u8, [line, byte]: [u8; 2]) -> Result<u64, String> {
        if code == line {
            let line = self.line()?;
            return line.trim().parse().map_err(|_| format!("`{line}` is no number"));
        }
        Ok(self.len(if code == byte { 1 } else { 4 })? as u64)
    }

    fn int_as_text(&mut self) -> Result<(), String> {
        let line = self.line()?;
        match line.trim() {
            "00" => self.stack.push(FALSE),
            "01" => self.stack.push(TRUE),
            text => {
                let int =
                    text.trim_end_matches('L').parse().map_err(|_| format!("`{text}` is no integer"))?;
                self.push(Node::Int(int));
            }
        }
        Ok(())
    }

    fn text(&mut self, width: usize) -> Result<(), String> {
        let len = self.len(width)?;
        let bytes = self.some(len)?;
        // Strings of Python 2 may be anything.
        let node = String::from_utf8(bytes).map_or_else(|error| Node::Bytes(error.into_bytes()), Node::Text);
        self.push(node);
        Ok(())
    }

    fn binary(&mut self, width: usize) -> Result<(), String> {
        let len = self.len(width)?;
        let bytes = self.some(len)?;
        self.push(Node::Bytes(bytes));
        Ok(())
    }

    /// A little-endian length of so many bytes.
    fn len(&mut self, width: usize) -> Result<usize, String> {
        let mut all = [0; 8];
        self.from.read_exact(&mut all[..width]).map_err(|error| truncated(&error))?;
        usize::try_from(u64::from_le_bytes(all)).map_err(|error| error.to_string())
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        self.from.read_exact(&mut bytes).map_err(|error| truncated(&error))?;
        Ok(bytes)
    }

    /// Memory is taken as bytes come in: a length need not be believed.
    fn some(&mut self, len: usize) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let read = (&mut *self.from).take(len as u64).read_to_end(&mut bytes);
        match read.map_err(|error| truncated(&error))? {
            read if read == len => Ok(bytes),
            _ => Err("the pickle is truncated".to_owned()),
        }
    }

    fn line(&mut self) -> Result<String, String> {
        const LONGEST: u64 = 1 << 16;
        let mut bytes = Vec::new();
        (&mut *self.from).take(LONGEST).read_until(b'\n', &mut bytes).map_err(|error| truncated(&error))?;
        if bytes.pop() != Some(b'\n') {
            return Err("a line of the pickle does not end".to_owned());
        }
        String::from_utf8(bytes).map_err(|error| format!("a line of the pickle is no text: {error}"))
    }
}

fn empty() -> String {
    "the pickle takes more than there is".to_owned()
}

fn truncated(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "the pickle is truncated".to_owned(),
        _ => error.to_string(),
    }
}

/// From little-endian bytes, two's complement.
fn int(bytes: Vec<u8>) -> Node {
    if bytes.len() > 8 {
        return Node::Long(bytes);
    }
    let sign = if bytes.last().is_some_and(|last| last & 0x80 != 0) { 0xff } else { 0 };
    let mut all = [sign; 8];
    all[..bytes.len()].copy_from_slice(&bytes);
    Node::Int(i64::from_le_bytes(all))
}

fn pairs(items: &[Id]) -> Result<Vec<(Id, Id)>, String> {
    let (pairs, []) = items.as_chunks::<2>() else {
        return Err("a key of the pickle has no value".to_owned());
    };
    Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> Result<Pickle, String> {
        read(&mut &bytes[..])
    }

    #[test]
    fn objects_of_every_protocol_are_read() {
        // `pickle.dumps({'a': [1, -2, 2.5, None, True], 'b': (300, 70000, 2**40)}, protocol)` of Python 3.11.
        let of_protocols: [&[u8]; 3] = [
            b"(dp0\nVa\np1\n(lp2\nI1\naI-2\naF2.5\naNaI01\nasVb\np3\n(I300\nI70000\nL1099511627776L\ntp4\ns.",
            b"\x80\x02}q\0(X\x01\0\0\0aq\x01]q\x02(K\x01J\xfe\xff\xff\xffG@\x04\0\0\0\0\0\0N\x88eX\x01\0\0\0bq\x03M,\x01Jp\x11\x01\0\x8a\x06\0\0\0\0\0\x01\x87q\x04u.",
            b"\x80\x04\x95<\0\0\0\0\0\0\0}\x94(\x8c\x01a\x94]\x94(K\x01J\xfe\xff\xff\xffG@\x04\0\0\0\0\0\0N\x88e\x8c\x01b\x94M,\x01Jp\x11\x01\0\x8a\x06\0\0\0\0\0\x01\x87\x94u.",
        ];
        for bytes in of_protocols {
            let pickle = of(bytes).unwrap();
            let a = pickle.items(pickle.get(pickle.root, "a").unwrap()).unwrap();
            let a: Vec<&Node> = a.iter().map(|&id| pickle.node(id)).collect();
            assert_eq!(a, [&Node::Int(1), &Node::Int(-2), &Node::Float(2.5), &Node::None, &Node::Bool(true)]);
            let b = pickle.items(pickle.get(pickle.root, "b").unwrap()).unwrap();
            let b: Vec<Option<i64>> = b.iter().map(|&id| pickle.int(id)).collect();
            assert_eq!(b, [Some(300), Some(70000), Some(1 << 40)]);
        }
    }

    #[test]
    fn a_call_is_written_down_and_not_made() {
        // `__reduce__` returns `(print, ("called",))`.
        let pickle = of(b"\x80\x02c__builtin__\nprint\nX\x06\0\0\0called\x85R.").unwrap();
        let Node::Object(object) = pickle.node(pickle.root) else { panic!("no object") };
        assert_eq!(pickle.called(object), Some("__builtin__.print"));
        assert_eq!(pickle.text(pickle.args(object)[0]), Some("called"));
    }

    #[test]
    fn an_object_that_holds_itself_is_read() {
        // `x = []; x.append(x)`
        let pickle = of(b"\x80\x02]q\0h\0a.").unwrap();
        assert_eq!(pickle.items(pickle.root), Some(&[pickle.root][..]));
    }

    #[test]
    fn what_is_meant_often_is_not_copied_as_often() {
        // A name of 64 KiB, of which classes are made again and again: the same one.
        let long = "x".repeat(1 << 16);
        let text = [b"X\0\0\x01\0".as_slice(), long.as_bytes(), b"q\0"].concat();
        let same = [b"\x80\x04".as_slice(), &text, b"0]q\x01(", &b"h\0h\0\x93".repeat(1000), b"e."].concat();
        let pickle = of(&same).unwrap();
        assert_eq!(pickle.items(pickle.root).unwrap().len(), 1000);
        assert!(pickle.ids().count() < 10);
        // Others with it.
        let other = (0..1000u16)
            .flat_map(|i| [b"h\0X\x02\0\0\0", format!("{:02}", i % 100).as_bytes(), b"\x93"].concat());
        let others = [b"\x80\x04".as_slice(), &text, b"0](", &other.collect::<Vec<u8>>(), b"e."].concat();
        assert!(of(&others).err().unwrap().contains("names of classes"));
        // A list of a thousand pairs, and thousands of dicts of it.
        let pairs = b"K\0K\x01\x86".repeat(1000);
        let list = [b"ccollections\nOrderedDict\nq\x00](".as_slice(), &pairs, b"e\x85q\x01"].concat();
        let dicts = [b"\x80\x02".as_slice(), &list, b"](", &b"h\0h\x01R".repeat(2000), b"e."].concat();
        assert!(of(&dicts).err().unwrap().contains("made of lists"));
    }

    #[test]
    fn what_is_no_pickle_is_an_error() {
        let wrong: [(&[u8], &str); 9] = [
            (b"", "truncated"),
            (b".", "more than there is"),
            (b"\x80\x09.", "protocol 9"),
            (b"X\xff\xff\xff\xff", "truncated"),
            (b"(K\x01d.", "no value"),
            (b"h\x05.", "before it is there"),
            (b"Nt.", "mark is missing"),
            (b"Na.", "more than there is"),
            (b"\xff", "opcode 0xff"),
        ];
        for (bytes, part) in wrong {
            let error = of(bytes).err().unwrap_or_default();
            assert!(error.contains(part), "{bytes:?}: {error}");
        }
    }
}
