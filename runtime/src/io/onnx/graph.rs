//! The tensors in a model: the fields of `onnx.proto` that lead to them.

use std::collections::BTreeMap;

use super::tensor::StoredTensor;
use super::wire::{Fields, Span, Value, Wire};

/// Graphs within nodes of graphs.
const DEPTH: usize = 16;

/// Bytes of all names, beside as many as the model has: names of graphs are in front of those of all that is in them.
const MORE_NAMES: u64 = 1 << 18;

/// Tensors, or what is wrong with them, by name.
pub(super) type Tensors = BTreeMap<String, Result<StoredTensor, String>>;

/// All tensors of a `ModelProto`.
pub(super) fn tensors(wire: &mut Wire<'_>, model: Span) -> Result<Tensors, String> {
    let mut fields = Fields::of(model);
    let (mut version, mut graph) = (false, None);
    while let Some((number, value)) = fields.next(wire)? {
        match (number, value) {
            (1, Value::Varint(_)) => version = true,
            (7, Value::Bytes(span)) => graph = Some(span),
            _ => {}
        }
    }
    let graph = graph.filter(|_| version).ok_or("not an ONNX model: it has no version, or no graph")?;
    let most = model.len() + MORE_NAMES;
    let mut found = Found { wire, tensors: BTreeMap::new(), names_left: most };
    found.graph(graph, "", 0)?;
    Ok(found.tensors)
}

struct Found<'a, 'b> {
    wire: &'a mut Wire<'b>,
    tensors: Tensors,
    /// In bytes.
    names_left: u64,
}

impl Found<'_, '_> {
    /// A `GraphProto`; `prefix` is in front of its names.
    fn graph(&mut self, graph: Span, prefix: &str, depth: usize) -> Result<(), String> {
        if depth > DEPTH {
            return Err("its graphs lie too deep in each other".to_owned());
        }
        let mut fields = Fields::of(graph);
        let mut nodes = 0;
        while let Some((number, value)) = fields.next(self.wire)? {
            match (number, value) {
                (1, Value::Bytes(node)) => {
                    self.node(node, prefix, nodes, depth)?;
                    nodes += 1;
                }
                (5, Value::Bytes(tensor)) => {
                    let (name, tensor) = StoredTensor::read(self.wire, tensor)?;
                    self.insert(prefix, &name, tensor)?;
                }
                (15, Value::Bytes(sparse)) => {
                    let name = self.sparse(sparse)?;
                    self.insert(prefix, &name, Err("it is sparse".to_owned()))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A `NodeProto`, of which only what is constant counts.
    fn node(&mut self, node: Span, prefix: &str, index: usize, depth: usize) -> Result<(), String> {
        let mut fields = Fields::of(node);
        let (mut output, mut name, mut operation) = (None, None, None);
        let mut has_attributes = false;
        while let Some((number, value)) = fields.next(self.wire)? {
            match (number, value) {
                (2, Value::Bytes(span)) if output.is_none() => output = Some(span),
                (3, Value::Bytes(span)) => name = Some(span),
                (4, Value::Bytes(span)) => operation = Some(span),
                (5, Value::Bytes(_)) => has_attributes = true,
                _ => {}
            }
        }
        if !has_attributes {
            return Ok(());
        }
        let is_constant = match operation {
            Some(span) if span.len() < 16 => self.wire.text(span)? == "Constant",
            _ => false,
        };
        let mut fields = Fields::of(node);
        while let Some((number, value)) = fields.next(self.wire)? {
            let (5, Value::Bytes(attribute)) = (number, value) else { continue };
            let attribute = Attribute::read(self.wire, attribute)?;
            if let (true, Some(tensor), Some(output)) = (is_constant, attribute.tensor, output) {
                let name = self.wire.text(output)?;
                if !name.is_empty() {
                    let (_, tensor) = StoredTensor::read(self.wire, tensor)?;
                    self.insert(prefix, &name, tensor)?;
                }
            }
            if let Some(graph) = attribute.graph {
                let node = name.filter(|name| name.len() > 0).map(|name| self.wire.text(name)).transpose()?;
                let node = node.unwrap_or_else(|| format!("node_{index}"));
                let attribute = attribute.name.map(|name| self.wire.text(name)).transpose()?;
                let prefix = format!("{prefix}{node}.{}.", attribute.unwrap_or_default());
                let left = self.names_left.checked_sub(prefix.len() as u64);
                self.names_left = left.ok_or("the names of its graphs are too long")?;
                self.graph(graph, &prefix, depth + 1)?;
            }
        }
        Ok(())
    }

    /// The name of a `SparseTensorProto`, which is that of its values.
    fn sparse(&mut self, sparse: Span) -> Result<String, String> {
        let mut fields = Fields::of(sparse);
        while let Some((number, value)) = fields.next(self.wire)? {
            if let (1, Value::Bytes(values)) = (number, value) {
                return Ok(StoredTensor::read(self.wire, values)?.0);
            }
        }
        Ok(String::new())
    }

    fn insert(
        &mut self,
        prefix: &str,
        name: &str,
        tensor: Result<StoredTensor, String>,
    ) -> Result<(), String> {
        let left = self.names_left.checked_sub((prefix.len() + name.len()) as u64);
        self.names_left = left.ok_or("the names of its graphs are too long")?;
        let name = format!("{prefix}{name}");
        match self.tensors.insert(name.clone(), tensor) {
            None => Ok(()),
            Some(_) => Err(format!("the name `{name}` is given twice")),
        }
    }
}

/// An `AttributeProto`: its name, and the tensor or graph that is its value.
#[derive(Default)]
struct Attribute {
    name: Option<Span>,
    tensor: Option<Span>,
    graph: Option<Span>,
}

impl Attribute {
    fn read(wire: &mut Wire<'_>, attribute: Span) -> Result<Attribute, String> {
        let (mut found, mut fields) = (Attribute::default(), Fields::of(attribute));
        while let Some((number, value)) = fields.next(wire)? {
            match (number, value) {
                (1, Value::Bytes(span)) => found.name = Some(span),
                (5, Value::Bytes(span)) => found.tensor = Some(span),
                (6, Value::Bytes(span)) => found.graph = Some(span),
                _ => {}
            }
        }
        Ok(found)
    }
}
