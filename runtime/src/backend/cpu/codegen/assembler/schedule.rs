//! Sorts instructions into loops.
//!
//! What is folded along rows is known when its loop has ended; so each instruction has a *level*, the number of loops that
//! have to end before it. Instructions that nobody waits for are done as late as they are needed, so that few values go from
//! one loop to another through memory.

use std::collections::{HashMap, HashSet};

use super::super::instruction::{Action, Instruction, Map, Place, Side};
use super::super::plan::Prologue;
use super::emit::emit;
use super::graph::{Graph, Node, Value};
use super::layout::LANES;
use super::lower::{lower, supports};
use super::pages::Loop;
pub use super::pages::Pages;
use super::segment::{RowFold, Segment, Step};
use super::x86::Assembler;
use crate::array::DType;
use crate::backend::cpu::codegen::spec::{Access, KernelSpec};
use crate::kernels::reduce::BLOCK;
use crate::scalar::op::ScalarOp;

/// More folds would leave too few registers.
const MOST_FOLDS: usize = 8;

/// A loop of a plan, instead of many instructions.
pub struct Native {
    /// The places that are read and written, besides numbers.
    pub reads: Vec<Place>,
    pub writes: Vec<Place>,
    /// Whether rows matter.
    pub has_rows: bool,
    run: Loop,
}

impl Native {
    /// Computes rows of a tile.
    ///
    /// # Safety
    /// Each place has the numbers of a tile of so many rows, or room for them, and nobody else writes to it.
    pub unsafe fn run(&self, places: &[*mut u8], rows: usize, cols: usize) {
        let rest = cols % LANES;
        // SAFETY: the loop reads and writes `rows` times `cols` elements of its places, or one for each row.
        unsafe { (self.run)(places.as_ptr(), rows, cols - rest, (1 << rest) - 1) }
    }
}

/// What instructions refer to.
pub struct Space<'a> {
    pub recipe: &'a KernelSpec,
    /// Which input's memory each result may be written to.
    pub in_place: &'a [Option<usize>],
    pub prologue: &'a [(Prologue, usize, Place)],
    /// How many bytes before they are needed inputs are asked for, if they are far.
    pub ahead: Option<i32>,
}

impl Space<'_> {
    fn inputs(&self) -> usize {
        self.recipe.inputs.len()
    }

    /// Whether a place is that of a result.
    fn is_result(&self, place: Place) -> bool {
        (self.inputs()..self.inputs() + self.recipe.outs.len()).contains(&(place as usize))
    }

    /// The input whose memory a result takes.
    fn overwritten(&self, place: Place) -> Option<Place> {
        let out = (place as usize).checked_sub(self.inputs())?;
        self.in_place.get(out).copied().flatten().map(|input| input as Place)
    }

    /// The input with a number for all elements, or for each column, that is spread over a slot.
    fn spread(&self, place: Place) -> Option<Node> {
        let (kind, input, _) = self.prologue.iter().find(|(.., slot)| *slot == place)?;
        if self.recipe.inputs[*input].1 != DType::F32 {
            return None;
        }
        Some(match kind {
            Prologue::Splat => Node::Number(*input as Place),
            Prologue::Repeat => Node::Column(*input as Place, 0),
        })
    }
}

/// How an instruction is run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// In a loop over elements.
    Element,
    /// In a loop over elements, and known at its end.
    RowFold,
    /// In a loop over rows.
    Row,
    /// Before the loop of its level.
    Gather,
    /// By the interpreter, after the loop of its level.
    Other,
    /// By the interpreter, among rows.
    OtherRow,
}

/// Puts loops in the place of instructions; without memory for them there are none.
pub fn assemble(body: Vec<Instruction>, space: &Space<'_>) -> (Vec<Instruction>, Option<Pages>) {
    let kinds: Vec<Kind> = body.iter().map(|step| kind(step, space)).collect();
    let levels = levels(&body, &kinds, space);
    let groups = groups(&kinds, &levels);
    let mut group_of = vec![0; body.len()];
    for (number, group) in groups.iter().enumerate() {
        group.iter().for_each(|&at| group_of[at] = number);
    }
    // Places that are read by others than the loop that writes them.
    let writer: HashMap<Place, usize> = body
        .iter()
        .enumerate()
        .flat_map(|(at, step)| step.writes().iter().map(move |&place| (place, at)))
        .collect();
    let mut shared: HashSet<Place> = HashSet::new();
    for (at, step) in body.iter().enumerate() {
        let from_others = |place: &&Place| writer.get(place).is_some_and(|&w| group_of[w] != group_of[at]);
        shared.extend(step.reads().iter().filter(from_others));
    }
    let mut code = Assembler::default();
    let mut starts = Vec::new();
    let mut body: Vec<Option<Instruction>> = body.into_iter().map(Some).collect();
    let mut steps = Vec::new();
    for group in &groups {
        let is_native = matches!(kinds[group[0]], Kind::Element | Kind::RowFold | Kind::Row);
        let members: Vec<Instruction> = group.iter().filter_map(|&at| body[at].take()).collect();
        if !is_native {
            steps.extend(members.into_iter().map(|step| (step, None)));
            continue;
        }
        let (segment, step) = segment(&members, &shared, space);
        starts.push(code.position());
        emit(&segment, &mut code);
        steps.push((step, Some(starts.len() - 1)));
    }
    let pages = Pages::new(&code.finish());
    let steps = steps.into_iter().map(|(mut step, loop_number)| {
        if let (Action::Native(native), Some(number), Some(pages)) = (&mut step.action, loop_number, &pages) {
            // SAFETY: `emit` began a function there.
            native.run = unsafe { pages.entry(starts[number]) };
        }
        step
    });
    (steps.collect(), pages)
}

fn kind(step: &Instruction, space: &Space<'_>) -> Kind {
    let is_native = match &step.action {
        Action::Map(map) => supports(map.code, map.from, map.to),
        Action::Expand(width) => *width == 4,
        Action::Rows(_, _, dtype) => {
            let cols = space.recipe.cols;
            // The order of one block that fills the lanes is that of a loop; others are folded in another order.
            return if *dtype == DType::F32 && (LANES..=BLOCK).contains(&cols) {
                Kind::RowFold
            } else {
                Kind::Other
            };
        }
        Action::Gather => return Kind::Gather,
        Action::Root(_) | Action::Native(_) => false,
    };
    match (is_native, step.by_rows) {
        (true, false) => Kind::Element,
        (true, true) => Kind::Row,
        (false, false) => Kind::Other,
        (false, true) => Kind::OtherRow,
    }
}

/// The level of each instruction.
fn levels(body: &[Instruction], kinds: &[Kind], space: &Space<'_>) -> Vec<usize> {
    let mut producer: HashMap<Place, usize> = HashMap::new();
    let mut readers: HashMap<Place, Vec<usize>> = HashMap::new();
    let mut levels = vec![0; body.len()];
    // As early as possible.
    for (at, step) in body.iter().enumerate() {
        let mut level = 0;
        for place in step.reads() {
            if let Some(&from) = producer.get(place) {
                let is_late = match kinds[from] {
                    Kind::RowFold => true,
                    // The interpreter's results are there after the loop of their level.
                    Kind::Other => kinds[at] != Kind::Other,
                    _ => false,
                };
                level = level.max(levels[from] + usize::from(is_late));
            }
            readers.entry(*place).or_default().push(at);
        }
        for &place in step.writes() {
            producer.insert(place, at);
            for &reader in space.overwritten(place).iter().filter_map(|input| readers.get(input)).flatten() {
                let is_late = kinds[reader] == Kind::Other && kinds[at] != Kind::Other && reader != at;
                level = level.max(levels[reader] + usize::from(is_late));
            }
        }
        levels[at] = level;
    }
    // As late as others need it.
    let mut latest: Vec<Option<usize>> = vec![None; body.len()];
    for (at, step) in body.iter().enumerate().rev() {
        if matches!(kinds[at], Kind::Element | Kind::Gather)
            && let Some(level) = latest[at]
        {
            levels[at] = level;
        }
        let mut limit = |of: usize, level: usize| {
            let now = latest[of].map_or(level, |latest| latest.min(level));
            latest[of] = Some(now);
        };
        for place in step.reads() {
            if let Some(&from) = producer.get(place) {
                limit(from, levels[at]);
            }
        }
        for &place in step.writes() {
            for &reader in space.overwritten(place).iter().filter_map(|input| readers.get(input)).flatten() {
                if reader != at {
                    limit(reader, levels[at]);
                }
            }
        }
    }
    levels
}

/// Instructions that run together, in the order of levels.
fn groups(kinds: &[Kind], levels: &[usize]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for level in 0..=levels.iter().copied().max().unwrap_or(0) {
        let of = |kind: fn(Kind) -> bool| {
            (0..kinds.len()).filter(move |&at| levels[at] == level && kind(kinds[at]))
        };
        let mut is_open = false;
        for at in of(|kind| matches!(kind, Kind::Row | Kind::OtherRow)) {
            match groups.last_mut().filter(|_| is_open && kinds[at] == Kind::Row) {
                Some(group) => group.push(at),
                None => groups.push(vec![at]),
            }
            is_open = kinds[at] == Kind::Row;
        }
        groups.extend(of(|kind| kind == Kind::Gather).map(|at| vec![at]));
        let elements: Vec<usize> = of(|kind| matches!(kind, Kind::Element | Kind::RowFold)).collect();
        let mut folds = 0;
        let mut group = Vec::new();
        for at in elements {
            folds += usize::from(kinds[at] == Kind::RowFold);
            if folds > MOST_FOLDS {
                groups.push(std::mem::take(&mut group));
                folds = 1;
            }
            group.push(at);
        }
        groups.extend((!group.is_empty()).then_some(group));
        groups.extend(of(|kind| kind == Kind::Other).map(|at| vec![at]));
    }
    groups
}

/// One loop for several instructions.
fn segment(members: &[Instruction], shared: &HashSet<Place>, space: &Space<'_>) -> (Segment, Instruction) {
    let mut graph = Graph::default();
    let mut known: HashMap<Place, Value> = HashMap::new();
    let mut folds: Vec<RowFold> = Vec::new();
    // What is done with results, and how many values there are before it.
    let mut done: Vec<(usize, Step)> = Vec::new();
    let mut has_rows = false;
    for step in members {
        let value = match &step.action {
            Action::Map(map) => {
                let args: Vec<Value> =
                    (0..map.args()).map(|i| argument(&mut graph, &known, map, i, step, space)).collect();
                has_rows |= matches!(map.side, Side::Row(_));
                lower(&mut graph, map.code, map.from, map.to, &args)
            }
            Action::Expand(_) => {
                has_rows = true;
                graph.add(Node::Row(step.args[0]))
            }
            Action::Rows(_, folding, _) => {
                has_rows = true;
                let value = load(&mut graph, &known, step.args[0], DType::F32, space);
                done.push((graph.nodes.len(), Step::Fold(value, folds.len())));
                folds.push(RowFold { folding: *folding, out: step.out });
                continue;
            }
            Action::Gather | Action::Root(_) | Action::Native(_) => unreachable!("these are not in loops"),
        };
        known.insert(step.out, value);
        if space.is_result(step.out) || shared.contains(&step.out) {
            let is_byte = matches!(&step.action, Action::Map(map) if map.to == DType::Bool);
            let store =
                if is_byte { Step::StoreByte(value, step.out, 0) } else { Step::Store(value, step.out, 0) };
            done.push((graph.nodes.len(), store));
        }
    }
    let (steps, is_needed) = order(&graph, &done);
    has_rows |= graph.nodes.iter().any(|node| matches!(node, Node::Column(..)));
    let read = graph.nodes.iter().enumerate().filter_map(|(value, node)| match *node {
        Node::Load(place, _) | Node::LoadByte(place, _) | Node::Row(place) | Node::Column(place, _) => {
            is_needed[value].then_some(place)
        }
        _ => None,
    });
    let reads: Vec<Place> = read.collect();
    let written = done.iter().map(|&(_, step)| match step {
        Step::Store(_, place, _) | Step::StoreByte(_, place, _) => place,
        Step::Fold(_, fold) => folds[fold].out,
        Step::Compute(_) => unreachable!("only what is done with results"),
    });
    let writes: Vec<Place> = written.collect();
    let is_far = |place: &&Place| {
        let input = space.recipe.inputs.get(**place as usize);
        input.is_some_and(|(access, dtype)| matches!(access, Access::Full) && dtype.size() == 4)
    };
    let far = if space.ahead.is_some() { reads.iter().filter(is_far).copied().collect() } else { Vec::new() };
    let by_rows = members[0].by_rows && !matches!(members[0].action, Action::Rows(..));
    let native = Native { reads, writes, has_rows, run: not_assembled };
    let step = Instruction { action: Action::Native(native), args: [0; 3], out: 0, by_rows };
    let cols = if has_rows { space.recipe.cols } else { usize::MAX };
    (Segment { graph, steps, folds, far, ahead: space.ahead.unwrap_or(0), cols }, step)
}

/// Stands for a loop until there are pages with it.
unsafe extern "sysv64" fn not_assembled(_: *const *mut u8, _: usize, _: usize, _: usize) {
    unreachable!("a plan without pages is not run");
}

fn argument(
    graph: &mut Graph,
    known: &HashMap<Place, Value>,
    map: &Map,
    number: usize,
    step: &Instruction,
    space: &Space<'_>,
) -> Value {
    let place = step.args[number];
    match map.side {
        Side::Number(side) if side == number => return graph.add(Node::Number(place)),
        Side::Row(side) if side == number => return graph.add(Node::Row(place)),
        _ => {}
    }
    let dtype = if map.code == ScalarOp::Select && number == 0 { DType::Bool } else { map.from };
    load(graph, known, place, dtype, space)
}

fn load(
    graph: &mut Graph,
    known: &HashMap<Place, Value>,
    place: Place,
    dtype: DType,
    space: &Space<'_>,
) -> Value {
    if let Some(&value) = known.get(&place) {
        return value;
    }
    if let Some(node) = space.spread(place) {
        return graph.add(node);
    }
    graph.add(if dtype == DType::Bool { Node::LoadByte(place, 0) } else { Node::Load(place, 0) })
}

/// All values that somebody needs, and what is done with them: in the order of instructions, as a result may take the place
/// of an argument that is read before. And which values are needed.
fn order(graph: &Graph, done: &[(usize, Step)]) -> (Vec<Step>, Vec<bool>) {
    let mut is_needed = vec![false; graph.nodes.len()];
    for (_, step) in done {
        if let Step::Store(value, ..) | Step::StoreByte(value, ..) | Step::Fold(value, _) = *step {
            is_needed[value] = true;
        }
    }
    for value in (0..graph.nodes.len()).rev() {
        if is_needed[value] {
            graph.nodes[value].args().iter().for_each(|&arg| is_needed[arg] = true);
        }
    }
    let mut steps = Vec::new();
    let mut first = 0;
    for &(before, step) in done {
        let computed = (first..before).filter(|&value| is_needed[value] && !graph.nodes[value].is_source());
        steps.extend(computed.map(Step::Compute));
        steps.push(step);
        first = before;
    }
    (steps, is_needed)
}
