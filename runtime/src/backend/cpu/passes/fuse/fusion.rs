//! Fused kernels: a group of equations as one step.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use super::group::Group;
use super::role::{Role, role};
use super::window::{Part, Windows};
use crate::array::{Array, Aval, DType};
use crate::backend::cpu::codegen::{
    Access, Fused, IterationSpace, KernelOp, KernelSpec, Owner, Window, access,
};
use crate::backend::cpu::schedule::{Schedule, Step};
use crate::core::primitive::{Args, Outs};
use crate::core::{Eqn, Graph, Var};
use crate::scalar::op::ScalarOp;

/// Several equations in one kernel.
pub(crate) struct Fusion {
    /// The equations, to be printed and counted.
    graph: Graph,
    kernel: Arc<Fused>,
}

impl Fusion {
    pub(crate) fn kernel(&self) -> &Arc<Fused> {
        &self.kernel
    }

    pub(crate) fn graph(&self) -> &Graph {
        &self.graph
    }

    pub(crate) fn flops(&self) -> u64 {
        self.graph.flops(0..self.graph.len())
    }

    pub(super) fn spec(&self) -> &KernelSpec {
        self.kernel.spec()
    }

    /// The same for an input that arrives in tiles, rows of `row` elements, in the memory of a result, if that is possible; and that
    /// result.
    pub(crate) fn after(&self, input: usize, row: usize) -> Option<(Fusion, usize)> {
        if self.kernel.is_horizontal() {
            return None;
        }
        let (spec, result) = self.spec().after(input, row)?;
        Some((Fusion { graph: self.graph.clone(), kernel: Fused::shared(spec) }, result))
    }

    /// Several fusions that resemble each other as one, whose inputs and results follow each other.
    pub(super) fn side_by_side(fusions: &[&Fusion]) -> Fusion {
        let sizes = fusions.iter().map(|fusion| fusion.spec().size).collect();
        let mut graph = Graph::empty();
        fusions.iter().for_each(|fusion| graph.append(&fusion.graph));
        let kernel = Fused::horizontal(fusions[0].spec().clone(), sizes);
        Fusion { graph, kernel }
    }
}

/// The equations in braces, one a line.
impl std::fmt::Debug for Fusion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.graph.to_string();
        write!(f, "fusion {text}")
    }
}

/// Makes equations of groups.
pub(super) struct Builder<'a> {
    graph: &'a Schedule,
    windows: &'a Windows,
    pub avals: Vec<Aval>,
    pub consts: Vec<(Var, Array)>,
    /// Values that are one number by their creation: that number, and its constant once it is needed.
    numbers: FxHashMap<Var, (f64, Option<Var>)>,
    /// Constants of one number.
    scalars: FxHashMap<Var, Array>,
    /// What callers give, and what they get.
    given: FxHashSet<Var>,
    taken: FxHashSet<Var>,
}

/// The kernel of one group while it is put together.
struct Draft<'a> {
    graph: &'a Schedule,
    windows: &'a Windows,
    cols: usize,
    /// What is read from outside: the variable, how, and of which dtype.
    inputs: Vec<(Var, Access, DType)>,
    /// Operations, whose arguments are inputs, or operations counted from `FIRST`.
    ops: Vec<KernelOp>,
    values: FxHashMap<Var, usize>,
    /// Values that lie side by side in one result, by the variable of that.
    joined: Vec<(Var, Vec<usize>)>,
    /// The slices that are read where they lie.
    slices: Vec<usize>,
    /// Values that are parts of what an equation outside makes.
    parts: Vec<(usize, Window, usize)>,
}

/// Operations are numbered from here until all inputs are known.
const FIRST: usize = 1 << 32;

impl<'a> Builder<'a> {
    pub fn new(graph: &'a Schedule, windows: &'a Windows) -> Builder<'a> {
        let created = graph.eqns.iter().filter(|eqn| eqn.args.is_empty() && eqn.outs.len() == 1);
        let numbers = created
            .filter_map(|eqn| Some((eqn.outs[0], (eqn.primitive.primitive()?.cpu()?.splat(&[])?, None))))
            .collect();
        let scalars = graph.consts.iter().filter(|(_, array)| array.is_scalar()).cloned().collect();
        Builder {
            graph,
            windows,
            avals: graph.avals.clone(),
            consts: graph.consts.clone(),
            numbers,
            scalars,
            given: graph.inputs.iter().copied().collect(),
            taken: graph.outs.iter().copied().collect(),
        }
    }

    /// The step of a group: its kernel spec, what it reads and what it makes.
    ///
    /// Values are numbered inputs first, then operations; while inputs are still found, operations are numbered from `FIRST` on.
    /// A value that is returned twice, under two shapes, is copied, as each result has memory of its own.
    pub fn fusion(
        &mut self,
        group: &Group,
        members: &[usize],
        dies: &dyn Fn(Var) -> bool,
        is_read_after: &dyn Fn(Var) -> bool,
    ) -> Eqn<Step> {
        let graph = self.graph;
        let windows = self.windows;
        let mut draft = Draft {
            graph,
            windows,
            cols: group.cols.unwrap_or_else(|| natural_cols(graph, windows, group, members)),
            inputs: Vec::new(),
            ops: Vec::new(),
            values: FxHashMap::default(),
            joined: Vec::new(),
            slices: Vec::new(),
            parts: Vec::new(),
        };
        for &member in members {
            self.member(&mut draft, group, member);
        }
        let mut outs: Vec<(Var, usize)> = Vec::new();
        for &member in members {
            let var = graph.eqns[member].outs[0];
            let Some(&value) = draft.values.get(&var).filter(|_| is_read_after(var)) else { continue };
            let value = draft.result(value, &outs, graph.aval(var).dtype, group.values[&var]);
            outs.push((var, value));
        }
        let whole = outs.len();
        let mut joined: Vec<(Var, usize)> = Vec::new();
        for (var, parts) in std::mem::take(&mut draft.joined) {
            if !is_read_after(var) {
                continue;
            }
            joined.push((var, parts.len()));
            for value in parts {
                let value = draft.result(value, &outs, graph.aval(var).dtype, IterationSpace::Full);
                outs.push((var, value));
            }
        }
        let Draft { cols, inputs, ops, slices, .. } = draft;
        let count = inputs.len();
        let number = |value: usize| if value >= FIRST { value - FIRST + count } else { value };
        let ops = ops
            .into_iter()
            .map(|op| match op {
                KernelOp::Map { op, args, from, to, space } => {
                    KernelOp::Map { op, args: args.into_iter().map(number).collect(), from, to, space }
                }
                KernelOp::Fold { op, arg, dtype, space } => {
                    KernelOp::Fold { op, arg: number(arg), dtype, space }
                }
            })
            .collect();
        // One array read in two ways is not overwritten.
        let once = |var: Var| inputs.iter().filter(|(other, ..)| *other == var).count() == 1;
        let spec = KernelSpec {
            size: group.size,
            cols,
            donated: inputs
                .iter()
                .map(|(var, access, _)| {
                    let may_end = matches!(access, Access::Full) && dies(*var) && once(*var);
                    may_end.then(|| owner(&self.given, *var))
                })
                .collect(),
            inputs: inputs.iter().map(|(_, access, dtype)| (access.clone(), *dtype)).collect(),
            ops,
            outs: outs.iter().map(|&(var, value)| (number(value), owner(&self.taken, var))).collect(),
            joined: joined.iter().map(|&(_, parts)| parts).collect(),
            over: None,
        };
        let args: Args<Var> = inputs.iter().map(|(var, ..)| *var).collect();
        let outs: Outs<Var> = outs[..whole].iter().chain(&joined).map(|(var, _)| *var).collect();
        let graph = self.part(&args, slices.into_iter().chain(members.iter().copied()), &outs);
        let last = &self.graph.eqns[members[members.len() - 1]];
        let kernel = Fused::shared(spec);
        let primitive = Step::Fused(Arc::new(Fusion { graph, kernel }));
        Eqn { primitive, args, outs, location: last.location, path: last.path.clone() }
    }

    fn member(&mut self, draft: &mut Draft<'_>, group: &Group, member: usize) {
        let graph = self.graph;
        let eqn = &graph.eqns[member];
        let out = eqn.outs[0];
        let space = group.values[&out];
        let dtype = graph.aval(out).dtype;
        let Some(role) = role(graph, eqn) else { unreachable!("a member of a group has a role") };
        let value = match role {
            Role::Reshape => draft.values[&eqn.args[0]],
            Role::Map(op) => {
                let args = eqn.args.iter().map(|&arg| self.operand(draft, eqn, arg, space)).collect();
                let from = graph.aval(eqn.args[eqn.args.len() - 1]).dtype;
                draft.map(op, args, from, dtype, space)
            }
            Role::Join(_) => {
                let parts = eqn.args.iter().map(|&arg| match self.number(arg) {
                    Some(number) => draft.input_of(number, Access::One, dtype),
                    None => draft.whole(arg),
                });
                let parts = parts.collect();
                draft.joined.push((out, parts));
                return;
            }
            Role::Rows(op, _) | Role::Columns(op, _) | Role::Total(op) => {
                let arg = draft.whole(eqn.args[0]);
                draft.ops.push(KernelOp::Fold { op, arg, dtype, space });
                FIRST + draft.ops.len() - 1
            }
        };
        draft.values.insert(out, value);
    }

    fn operand(&mut self, draft: &mut Draft<'_>, eqn: &Eqn<Step>, arg: Var, space: IterationSpace) -> usize {
        if let Some(&value) = draft.values.get(&arg) {
            return value;
        }
        if let Some(number) = self.number(arg) {
            return draft.input_of(number, Access::One, self.avals[number.index()].dtype);
        }
        let (out, shape) = (&self.graph.aval(eqn.outs[0]).shape, &self.graph.aval(arg).shape);
        let access = match space {
            IterationSpace::Row => match access(out, shape, usize::MAX) {
                Access::Full => Access::Rows,
                other => other,
            },
            _ => match access(out, shape, draft.cols) {
                Access::Full => return draft.whole(arg),
                other => other,
            },
        };
        draft.input(arg, access)
    }

    /// A constant of this one number, for a value that is the same everywhere by its creation.
    fn number(&mut self, var: Var) -> Option<Var> {
        let (value, constant) = self.numbers.get_mut(&var)?;
        if constant.is_none() {
            let array = crate::ops::scalar_array(*value, self.graph.aval(var).dtype, false);
            let number = Var(self.avals.len() as u32);
            self.avals.push(array.aval().clone());
            self.consts.push((number, array.clone()));
            self.scalars.insert(number, array);
            *constant = Some(number);
        }
        *constant
    }

    /// The members as a graph with variables of its own, named in the order in which they appear; values that are one number by
    /// their creation are constants of it.
    fn part(&self, args: &[Var], members: impl Iterator<Item = usize>, outs: &[Var]) -> Graph {
        let mut avals = Vec::new();
        let mut names: FxHashMap<Var, Var> = FxHashMap::default();
        let mut name = |var: Var| {
            *names.entry(var).or_insert_with(|| {
                avals.push(self.avals[var.index()].clone());
                Var(avals.len() as u32 - 1)
            })
        };
        let inputs =
            args.iter().filter(|arg| !self.scalars.contains_key(arg)).map(|&arg| name(arg)).collect();
        let scalar = |arg: &Var| Some((name(*arg), self.scalars.get(arg)?.clone()));
        let consts = args.iter().filter_map(scalar).collect();
        let eqns = members
            .map(|member| {
                let eqn = &self.graph.eqns[member];
                let Some(primitive) = eqn.primitive.primitive() else {
                    unreachable!("members are primitives")
                };
                let read =
                    |&arg: &Var| name(self.numbers.get(&arg).and_then(|&(_, number)| number).unwrap_or(arg));
                let args = eqn.args.iter().map(read).collect();
                let outs = eqn.outs.iter().map(|&out| name(out)).collect();
                Eqn {
                    primitive: primitive.clone(),
                    args,
                    outs,
                    location: eqn.location,
                    path: eqn.path.clone(),
                }
            })
            .collect();
        let outs = outs.iter().map(|&out| name(out)).collect();
        Graph { avals, inputs, consts, eqns, outs }
    }
}

impl Draft<'_> {
    fn map(
        &mut self,
        op: ScalarOp,
        args: SmallVec<[usize; 3]>,
        from: DType,
        to: DType,
        space: IterationSpace,
    ) -> usize {
        self.ops.push(KernelOp::Map { op, args, from, to, space });
        FIRST + self.ops.len() - 1
    }

    /// A value as a result: a copy of it, if it is an input or a result already.
    fn result(&mut self, value: usize, outs: &[(Var, usize)], dtype: DType, space: IterationSpace) -> usize {
        if value >= FIRST && outs.iter().all(|&(_, other)| other != value) {
            return value;
        }
        self.map(ScalarOp::Copy, [value].into_iter().collect(), dtype, dtype, space)
    }

    /// A value with an element for each of the space, where it lies.
    fn whole(&mut self, var: Var) -> usize {
        if let Some(&value) = self.values.get(&var) {
            return value;
        }
        let part = self.windows.get(var).and_then(|part| Some((part, part.in_rows_of(self.cols)?)));
        let Some((part, window)) = part else { return self.input(var, Access::Full) };
        self.slices
            .extend(part.eqns.iter().filter(|eqn| !self.slices.contains(eqn)).copied().collect::<Vec<_>>());
        if let Some(value) = part.made_by.and_then(|eqn| self.part_of(eqn, part, window)) {
            return value;
        }
        self.input(part.source, Access::Window(window))
    }

    /// A part of what an equation makes, from the same parts of what it reads, if they are parts of rows.
    fn part_of(&mut self, at: usize, part: &Part, window: Window) -> Option<usize> {
        part.wanted()?;
        if let Some(&(.., value)) = self.parts.iter().find(|(eqn, own, _)| (*eqn, *own) == (at, window)) {
            return Some(value);
        }
        let graph = self.graph;
        let eqn = &graph.eqns[at];
        let Some(Role::Map(op)) = role(graph, eqn) else { return None };
        let (whole, pitch) = (&graph.aval(part.source).shape, window.pitch);
        let accesses = eqn.args.iter().map(|&arg| match access(whole, &graph.aval(arg).shape, pitch) {
            Access::Full => Some(Access::Window(window)),
            Access::Columns => Some(Access::Window(Window { pitch: 0, ..window })),
            Access::One => Some(Access::One),
            _ => None,
        });
        let accesses: SmallVec<[Access; 3]> = accesses.collect::<Option<_>>()?;
        let args = eqn.args.iter().zip(accesses).map(|(&arg, access)| self.input(arg, access)).collect();
        let from = graph.aval(*eqn.args.last()?).dtype;
        let value = self.map(op, args, from, graph.aval(part.source).dtype, IterationSpace::Full);
        if !self.slices.contains(&at) {
            self.slices.insert(0, at);
        }
        self.parts.push((at, window, value));
        Some(value)
    }

    fn input(&mut self, var: Var, access: Access) -> usize {
        let dtype = self.graph.aval(var).dtype;
        self.input_of(var, access, dtype)
    }

    fn input_of(&mut self, var: Var, access: Access, dtype: DType) -> usize {
        let same = |other: &(Var, Access, DType)| other.0 == var && other.1.is(&access);
        if let Some(at) = self.inputs.iter().position(same) {
            return at;
        }
        self.inputs.push((var, access, dtype));
        self.inputs.len() - 1
    }
}

fn owner(callers: &FxHashSet<Var>, var: Var) -> Owner {
    if callers.contains(&var) { Owner::Caller } else { Owner::Program }
}

/// The length of a row under which most broadcasts are simple.
fn natural_cols(graph: &Schedule, windows: &Windows, group: &Group, members: &[usize]) -> usize {
    let mut votes: Vec<(usize, usize)> = Vec::new();
    for &member in members {
        let eqn = &graph.eqns[member];
        for &arg in eqn.args.iter().filter(|arg| !group.values.contains_key(arg)) {
            let row = match access(&graph.aval(eqn.outs[0]).shape, &graph.aval(arg).shape, 0) {
                Access::Full => windows.get(arg).and_then(Part::wanted),
                Access::Strided(layout) => {
                    let (_, row, between) = layout.pattern();
                    matches!(between, Some(0 | 1)).then_some(row)
                }
                _ => None,
            };
            let Some(row) = row else { continue };
            match votes.iter_mut().find(|(_, cols)| *cols == row) {
                Some((count, _)) => *count += 1,
                None => votes.push((1, row)),
            }
        }
    }
    votes.into_iter().max().map_or(group.size, |(_, cols)| cols)
}
