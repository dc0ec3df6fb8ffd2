//! `ogbg_molpcba`: networks of graphs, whose messages are summed by segments.

use flaxen::prelude::*;
use flaxen::random::Key;

use super::{Example, State};

/// A batch of graphs: their nodes, edges and global features one behind the other.
#[derive(Tree, Clone)]
struct GraphsTuple {
    nodes: Tensor,
    edges: Tensor,
    globals: Tensor,
    senders: Tensor,
    receivers: Tensor,
    n_node: Tensor,
    n_edge: Tensor,
}

fn add_graphs_tuples(graphs: &GraphsTuple, other: &GraphsTuple) -> GraphsTuple {
    GraphsTuple {
        nodes: &graphs.nodes + &other.nodes,
        edges: &graphs.edges + &other.edges,
        globals: &graphs.globals + &other.globals,
        ..graphs.clone()
    }
}

#[module(name = "MLP")]
struct Mlp {
    feature_sizes: Vec<usize>,
    dropout_rate: f64,
}

impl Mlp {
    /// On the arguments side by side.
    #[compact]
    fn call(&self, arguments: &[&Tensor], train: bool) -> Result<Tensor> {
        let arguments: Vec<Tensor> = arguments.iter().copied().cloned().collect();
        let mut x = Tensor::try_concatenate(&arguments, -1)?;
        for &size in &self.feature_sizes {
            x = Dense::new(size).call(&x)?.relu();
            x = Dropout::new(self.dropout_rate).call(&x, train)?;
        }
        Ok(x)
    }
}

/// What the two models have in common.
#[derive(Clone, Debug, PartialEq)]
struct Sizes {
    latent: usize,
    mlp_layers: usize,
    message_passing_steps: usize,
    output_globals: usize,
    dropout_rate: f64,
}

impl Sizes {
    fn mlp(&self) -> Mlp {
        Mlp::new(vec![self.latent; self.mlp_layers], self.dropout_rate)
    }
}

#[module]
struct GraphNet {
    sizes: Sizes,
}

impl GraphNet {
    #[compact]
    fn call(&self, graphs: &GraphsTuple, train: bool) -> Result<GraphsTuple> {
        let mut graphs = GraphsTuple {
            nodes: Dense::new(self.sizes.latent).call(&graphs.nodes)?,
            edges: Dense::new(self.sizes.latent).call(&graphs.edges)?,
            globals: Dense::new(self.sizes.latent).call(&graphs.globals)?,
            ..graphs.clone()
        };
        for _ in 0..self.sizes.message_passing_steps {
            let [edge, node, global] = [(); 3].map(|()| self.child(self.sizes.mlp()));
            let next = graph_network(
                &graphs,
                |parts| edge.call(parts, train),
                |parts| node.call(parts, train),
                |parts| global.call(parts, train),
            )?;
            graphs = add_graphs_tuples(&next, &graphs);
            graphs.nodes = LayerNorm::new().call(&graphs.nodes)?;
            graphs.edges = LayerNorm::new().call(&graphs.edges)?;
            graphs.globals = LayerNorm::new().call(&graphs.globals)?;
        }
        graphs.globals = Dense::new(self.sizes.output_globals).call(&graphs.globals)?;
        Ok(graphs)
    }
}

/// A round of messages: edges from the nodes at their ends, nodes from the edges at them, graphs from both.
fn graph_network(
    graphs: &GraphsTuple,
    update_edge: impl FnOnce(&[&Tensor]) -> Result<Tensor>,
    update_node: impl FnOnce(&[&Tensor]) -> Result<Tensor>,
    update_global: impl FnOnce(&[&Tensor]) -> Result<Tensor>,
) -> Result<GraphsTuple> {
    let GraphsTuple { nodes, edges, globals, senders, receivers, n_node, n_edge } = graphs;
    let (node_count, edge_count, graph_count) = (nodes.shape()[0], edges.shape()[0], globals.shape()[0]);
    let (sent, received) = (nodes.try_take(senders, 0)?, nodes.try_take(receivers, 0)?);
    let of_edges = globals.try_repeat_each(n_edge, 0, edge_count)?;
    let edges = update_edge(&[edges, &sent, &received, &of_edges])?;

    let sent = edges.try_segment_sum(senders, node_count)?;
    let received = edges.try_segment_sum(receivers, node_count)?;
    let of_nodes = globals.try_repeat_each(n_node, 0, node_count)?;
    let nodes = update_node(&[nodes, &sent, &received, &of_nodes])?;

    let graph_index = Tensor::arange(0, graph_count as i32, 1);
    let node_graphs = graph_index.try_repeat_each(n_node, 0, node_count)?;
    let edge_graphs = graph_index.try_repeat_each(n_edge, 0, edge_count)?;
    let node_sums = nodes.try_segment_sum(node_graphs, graph_count)?;
    let edge_sums = edges.try_segment_sum(edge_graphs, graph_count)?;
    let globals = update_global(&[&node_sums, &edge_sums, globals])?;
    Ok(GraphsTuple { nodes, edges, globals, ..graphs.clone() })
}

#[module]
struct GraphConvNet {
    sizes: Sizes,
}

impl GraphConvNet {
    /// The mean of each graph's nodes.
    fn pool(graphs: &GraphsTuple) -> Result<Tensor> {
        let (node_count, graph_count) = (graphs.nodes.shape()[0], graphs.n_node.shape()[0]);
        let graph_index = Tensor::arange(0, graph_count as i32, 1);
        let node_graphs = graph_index.try_repeat_each(&graphs.n_node, 0, node_count)?;
        let sums = graphs.nodes.try_segment_sum(&node_graphs, graph_count)?;
        let counts = graphs.nodes.ones_like().try_segment_sum(&node_graphs, graph_count)?;
        Ok(sums / counts.maximum(1.0))
    }

    #[compact]
    fn call(&self, graphs: &GraphsTuple, train: bool) -> Result<GraphsTuple> {
        let mut graphs =
            GraphsTuple { nodes: Dense::new(self.sizes.latent).call(&graphs.nodes)?, ..graphs.clone() };
        for _ in 0..self.sizes.message_passing_steps {
            let mlp = self.child(self.sizes.mlp());
            let next = graph_convolution(&graphs, |nodes| mlp.call(&[nodes], train))?;
            graphs = add_graphs_tuples(&next, &graphs);
            graphs.nodes = LayerNorm::new().call(&graphs.nodes)?;
        }
        let pooled = GraphConvNet::pool(&graphs)?;
        graphs.globals = Dense::new(self.sizes.output_globals).call(&pooled)?;
        Ok(graphs)
    }
}

/// A graph convolution with an edge from each node to itself, normalized by the degrees on both sides.
fn graph_convolution(
    graphs: &GraphsTuple,
    update_node: impl FnOnce(&Tensor) -> Result<Tensor>,
) -> Result<GraphsTuple> {
    let nodes = update_node(&graphs.nodes)?;
    let count = nodes.shape()[0];
    let itself = Tensor::arange(0, count as i32, 1);
    let receivers = Tensor::concatenate(&[graphs.receivers.clone(), itself.clone()], 0);
    let senders = Tensor::concatenate(&[graphs.senders.clone(), itself], 0);
    let scale = |ids: &Tensor| -> Result<Tensor> {
        let degree = ids.ones_like().try_segment_sum(ids, count)?;
        Ok(degree.maximum(1.0).rsqrt().expand_dims([-1]))
    };
    let nodes = nodes * scale(&senders)?;
    let nodes = nodes.try_take(&senders, 0)?.try_segment_sum(&receivers, count)?;
    Ok(GraphsTuple { nodes: nodes * scale(&receivers)?, ..graphs.clone() })
}

fn binary_cross_entropy_with_mask(logits: &Tensor, labels: &Tensor, mask: &Tensor) -> Result<Tensor> {
    // So that labels that are missing, and NaN, do not reach the gradient.
    let labels = mask.try_select(labels, -labels.ones_like())?;
    let positive = logits.ge(0.0);
    let relu_logits = positive.select(logits, logits.zeros_like());
    let abs_logits = positive.select(logits, -logits);
    Ok(relu_logits - logits * labels + ((-abs_logits).exp() + 1.0).log())
}

/// Where there are labels, and no padding: graphs in front of the last, and of those behind it, which have no nodes.
fn valid_mask(labels: &Tensor, graphs: &GraphsTuple) -> Result<Tensor> {
    let count = graphs.n_node.shape()[0] as i32;
    let empty_behind = graphs.n_node.flip([0]).eq(0).cast(DType::I32).argmin(0);
    let graph_mask = Tensor::arange(0, count, 1).lt(count - 1 - empty_behind);
    (!labels.is_nan()).try_bitand(graph_mask.expand_dims([-1]))
}

/// Either model.
trait GraphModel: Module {
    fn run(&self, graphs: &GraphsTuple, train: bool) -> Result<GraphsTuple>;
}

impl GraphModel for GraphNet {
    fn run(&self, graphs: &GraphsTuple, train: bool) -> Result<GraphsTuple> {
        self.call(graphs, train)
    }
}

impl GraphModel for GraphConvNet {
    fn run(&self, graphs: &GraphsTuple, train: bool) -> Result<GraphsTuple> {
        self.call(graphs, train)
    }
}

fn check_model(name: &str, model: &impl GraphModel) -> Result<()> {
    let example = Example::load(name);
    let array = |name: &str| example.array(&format!("in/{name}"));
    let batch = GraphsTuple {
        nodes: array("nodes"),
        edges: array("edges"),
        globals: array("globals"),
        senders: array("senders"),
        receivers: array("receivers"),
        n_node: array("n_node"),
        n_edge: array("n_edge"),
    };
    let replaced = GraphsTuple { globals: Tensor::ones([3, 1]), ..batch.clone() };
    let [_, init_key] = key(0).split();
    let variables = model.init(init_key).run(|m| m.run(&replaced, false))?;
    example.initial("init", &variables);
    let out = model.apply(&variables).run(|m| m.run(&replaced, false))?;
    example.near("out/nodes", &out.nodes);
    example.near("out/edges", &out.edges);
    example.near("out/globals", &out.globals);

    let step = jit(|(state, dropout): (State, Key)| {
        let loss = |variables: &Dict| {
            let run = model.apply(Variables::try_from(variables.clone())?);
            let rngs = Rngs::none().with("dropout", dropout.clone());
            let logits = run.rngs(rngs).run(|m| m.run(&replaced, true))?.globals;
            let mask = valid_mask(&batch.globals, &batch)?;
            let loss = binary_cross_entropy_with_mask(&logits, &batch.globals, &mask)?;
            Ok(mask.try_select(&loss, loss.zeros_like())?.sum() / mask.cast(DType::F32).sum())
        };
        let (loss, grads) = value_and_grad(loss)(&state.params)?;
        Ok((state.apply_gradients(&grads)?, Dict::new().with("loss", loss)))
    });
    example.train(variables.as_dict(), optim::adam(1e-3), 2, |state, i| {
        step.call((state, key(4).fold_in(i as i32)))
    })?;
    example.finish();
    Ok(())
}

/// Compares both models with Flax.
///
/// # Errors
/// What the example returns.
///
/// # Panics
/// If anything differs.
pub fn check() -> Result<()> {
    let sizes =
        Sizes { latent: 6, mlp_layers: 2, message_passing_steps: 2, output_globals: 5, dropout_rate: 0.2 };
    check_model("ogbg_graph_net", &GraphNet::new(sizes.clone()))?;
    check_model("ogbg_graph_conv", &GraphConvNet::new(sizes))
}
