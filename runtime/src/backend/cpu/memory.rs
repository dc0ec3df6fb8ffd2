//! Where each value lives while a program runs.

use std::fmt;

use rustc_hash::{FxHashMap, FxHashSet};

use super::program::{Action, Kind, Origin, Step};
use crate::array::Aval;
use crate::backend::cpu::passes::epilogue::Epilogue;
use crate::backend::cpu::passes::fuse::{Fusion, is_reshape};
use crate::backend::cpu::rules;
use crate::core::primitive::Args;
use crate::core::{Eqn, Graph, Var};

/// Where a value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    /// An array; true at its last use, where it is moved out. Donation is nothing more than this, applied to an argument the
    /// caller gave away.
    Slot(u32, bool),
    /// Memory of the program, so many bytes of it.
    Home(u32, usize),
    Const(u32),
}

/// Where a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dest {
    /// An array, and the number of what is known of it.
    Slot(u32, u32),
    Home(u32, usize),
}

/// A result of a step, and which argument's memory it may be written to.
pub(crate) struct Out {
    pub dest: Dest,
    pub pair: Option<u32>,
}

/// What steps read and write, step after step.
#[derive(Default)]
pub(crate) struct Lists {
    pub args: Vec<Operand>,
    pub outs: Vec<Out>,
    /// Slots of arguments that are not used again.
    pub ends: Vec<u32>,
    /// Of arrays that are made.
    pub avals: Vec<Aval>,
}

pub(crate) struct Plan {
    pub steps: Vec<Step>,
    pub lists: Lists,
    pub origins: Vec<Origin>,
    pub outs: Vec<Operand>,
    /// Bytes of each home.
    pub homes: Vec<usize>,
    /// Bytes of the values in homes that are alive at once, at most: no plan needs less.
    pub needed: usize,
    pub slots: usize,
}

struct Planner<'a> {
    graph: &'a Graph,
    /// The last step that reads a value; results are read after all of them.
    last: FxHashMap<Var, usize>,
    consts: FxHashMap<Var, u32>,
    /// By variable: the one whose array is read for it. A value that kernels alone read under another shape needs no array
    /// of that shape.
    bases: Vec<Var>,
    /// The last step that reads an array.
    last_array: FxHashMap<Var, usize>,
    /// Arrays have a slot each.
    slots: FxHashMap<Var, u32>,
    at_home: Vec<bool>,
    /// Where values of homes are, and how many values under other shapes still share that.
    home: FxHashMap<Var, u32>,
    homes: Vec<usize>,
    free: Vec<u32>,
    /// Bytes of values in homes: now, and at most so far.
    alive: usize,
    needed: usize,
    lists: Lists,
    origins: Vec<Origin>,
}

impl Plan {
    pub fn new(graph: &Graph) -> Plan {
        let actions: Vec<Action> = graph.eqns.iter().map(|eqn| action(graph, eqn)).collect();
        let roots = roots(graph, &actions);
        let mut planner = Planner {
            graph,
            last: FxHashMap::default(),
            consts: graph.consts.iter().enumerate().map(|(i, (var, _))| (*var, i as u32)).collect(),
            bases: bases(graph, &actions, &roots),
            last_array: FxHashMap::default(),
            slots: FxHashMap::default(),
            at_home: at_home(graph, &actions, &roots),
            home: FxHashMap::default(),
            homes: Vec::new(),
            free: Vec::new(),
            alive: 0,
            needed: 0,
            lists: Lists::default(),
            origins: Vec::new(),
        };
        // A value lasts as long as all its shapes.
        for (at, eqn) in graph.eqns.iter().enumerate() {
            planner.last.extend(eqn.args.iter().flat_map(|&arg| [(arg, at), (roots[arg.index()], at)]));
        }
        planner.last.extend(graph.outs.iter().map(|&out| (out, usize::MAX)));
        for (at, (eqn, action)) in graph.eqns.iter().zip(&actions).enumerate() {
            if !planner.is_nothing(eqn, action) {
                planner.last_array.extend(eqn.args.iter().map(|arg| (planner.bases[arg.index()], at)));
            }
        }
        planner.last_array.extend(graph.outs.iter().map(|&out| (out, usize::MAX)));
        for &input in &graph.inputs {
            let next = planner.slots.len() as u32;
            planner.slots.insert(input, next);
        }
        let steps = graph.eqns.iter().zip(actions).enumerate();
        let steps = steps.filter_map(|(at, (eqn, action))| planner.step(at, eqn, action, &roots)).collect();
        let mut later: FxHashSet<Var> = FxHashSet::default();
        let mut outs: Vec<Operand> = Vec::new();
        for &out in graph.outs.iter().rev() {
            let last = later.insert(out);
            outs.push(match planner.consts.get(&out) {
                Some(&at) => Operand::Const(at),
                None => Operand::Slot(planner.slots[&out], last),
            });
        }
        outs.reverse();
        let Planner { homes, needed, slots, lists, origins, .. } = planner;
        Plan { steps, lists, origins, outs, homes, needed, slots: slots.len() }
    }
}

fn action(graph: &Graph, eqn: &Eqn) -> Action {
    let primitive = &eqn.primitive;
    if let Some(fusion) = eqn.primitive_as::<Fusion>() {
        return Action::Fused(fusion.kernel().clone());
    }
    if let Some(epilogue) = eqn.primitive_as::<Epilogue>() {
        let args: Vec<&Aval> = eqn.args.iter().map(|&arg| graph.aval(arg)).collect();
        let Some(kernel) = epilogue.specialize(&args) else { unreachable!("it was made for such a kernel") };
        return Action::Epilogue(epilogue.fusion().kernel().clone(), epilogue.joint(), kernel);
    }
    if eqn.outs.len() == 1 {
        if is_reshape(primitive.op()) {
            return Action::Reshape;
        }
        let args: Vec<&Aval> = eqn.args.iter().map(|&arg| graph.aval(arg)).collect();
        if let Some(kernel) = rules(&**primitive).specialize(&args, graph.aval(eqn.outs[0])) {
            return Action::Kernel(kernel);
        }
    }
    Action::Eval(primitive.clone())
}

/// By variable: the one it is a reshape of, through any number of reshapes.
fn roots(graph: &Graph, actions: &[Action]) -> Vec<Var> {
    let mut roots: Vec<Var> = (0..graph.avals.len() as u32).map(Var).collect();
    for (eqn, action) in graph.eqns.iter().zip(actions) {
        if matches!(action, Action::Reshape) {
            roots[eqn.outs[0].index()] = roots[eqn.args[0].index()];
        }
    }
    roots
}

/// By variable: whether only kernels that read and write bytes ever see it, under any shape.
fn at_home(graph: &Graph, actions: &[Action], roots: &[Var]) -> Vec<bool> {
    let mut made = vec![false; graph.avals.len()];
    let mut seen = vec![false; graph.avals.len()];
    for (eqn, action) in graph.eqns.iter().zip(actions) {
        match action {
            Action::Fused(_) | Action::Epilogue(..) | Action::Kernel(..) => {
                eqn.outs.iter().for_each(|out| made[out.index()] = true);
            }
            Action::Reshape => {}
            Action::Eval(_) => eqn.args.iter().for_each(|arg| seen[roots[arg.index()].index()] = true),
        }
    }
    graph.outs.iter().for_each(|out| seen[roots[out.index()].index()] = true);
    roots.iter().map(|root| made[root.index()] && !seen[root.index()]).collect()
}

/// By variable: the one it is a reshape of, if nobody needs an array of its own shape, or itself.
fn bases(graph: &Graph, actions: &[Action], roots: &[Var]) -> Vec<Var> {
    let mut needed = vec![false; graph.avals.len()];
    for (eqn, action) in graph.eqns.iter().zip(actions) {
        if let Action::Eval(_) = action {
            eqn.args.iter().for_each(|arg| needed[arg.index()] = true);
        }
    }
    graph.outs.iter().for_each(|out| needed[out.index()] = true);
    let base = |(i, root): (usize, &Var)| if needed[i] { Var(i as u32) } else { *root };
    roots.iter().enumerate().map(base).collect()
}

impl Planner<'_> {
    /// Whether it is a reshape of what is read in place.
    fn is_nothing(&self, eqn: &Eqn, action: &Action) -> bool {
        let is_elsewhere = |out: Var| self.at_home[out.index()] || self.bases[out.index()] != out;
        matches!(action, Action::Reshape) && is_elsewhere(eqn.outs[0])
    }

    /// How a step is named.
    fn kind(eqn: &Eqn, action: &Action) -> Kind {
        if let Some(fusion) = eqn.primitive_as::<Fusion>() {
            return Kind::Fused(fusion.clone());
        }
        match (eqn.primitive_as::<Epilogue>(), action) {
            (Some(epilogue), _) => Kind::Epilogue(epilogue.clone()),
            (None, Action::Reshape) => Kind::Reshape,
            (None, _) => Kind::Other(eqn.primitive.clone()),
        }
    }

    fn bytes(&self, var: Var) -> usize {
        let aval = self.graph.aval(var);
        aval.size() * aval.dtype.size()
    }

    fn step(&mut self, at: usize, eqn: &Eqn, action: Action, roots: &[Var]) -> Option<Step> {
        if self.is_nothing(eqn, &action) {
            return None;
        }
        let first_arg = self.lists.args.len();
        let bases: Args<Var> = eqn.args.iter().map(|&arg| self.bases[arg.index()]).collect();
        for (i, (&arg, base)) in eqn.args.iter().zip(&bases).enumerate() {
            let operand = match (self.consts.get(base), self.at_home[arg.index()]) {
                (Some(&at), _) => Operand::Const(at),
                (None, true) => Operand::Home(self.home[&roots[arg.index()]], self.bytes(arg)),
                (None, false) => {
                    // Of one value given twice, the last reader takes it.
                    let last = self.last_array[base] == at && !bases[i + 1..].contains(base);
                    Operand::Slot(self.slots[base], last)
                }
            };
            self.lists.args.push(operand);
        }
        let mut ended: Vec<Var> = eqn.args.iter().map(|arg| roots[arg.index()]).collect();
        ended.retain(|var| self.home.contains_key(var) && self.last_of(*var, roots) == at);
        ended.sort_unstable();
        ended.dedup();
        let mut pairs: Vec<Option<usize>> = match &action {
            Action::Fused(kernel) => kernel.in_place().to_vec(),
            Action::Epilogue(kernel, joint, _) => joint.in_place(kernel),
            _ => Vec::new(),
        };
        // What is read in two ways is not overwritten.
        let mut readings: FxHashMap<Var, usize> = FxHashMap::default();
        eqn.args.iter().for_each(|arg| *readings.entry(roots[arg.index()]).or_default() += 1);
        let is_single = |input: &usize| readings[&roots[eqn.args[*input].index()]] == 1;
        pairs.iter_mut().for_each(|pair| *pair = pair.filter(is_single));
        let first_out = self.lists.outs.len();
        for (i, &out) in eqn.outs.iter().enumerate() {
            let pair = pairs.get(i).copied().flatten();
            let made = |dest| Out { dest, pair: pair.map(|input| input as u32) };
            if !self.at_home[out.index()] {
                let next = self.slots.len() as u32;
                let (slot, aval) = (*self.slots.entry(out).or_insert(next), self.lists.avals.len() as u32);
                self.lists.outs.push(made(Dest::Slot(slot, aval)));
                self.lists.avals.push(self.graph.aval(out).clone());
                continue;
            }
            let bytes = self.bytes(out);
            let pair = pair.map(|input| roots[eqn.args[input].index()]);
            let home = match pair.and_then(|var| ended.iter().position(|&other| other == var)) {
                Some(found) => self.home[&ended.swap_remove(found)],
                None => {
                    self.alive += bytes;
                    self.new_home(bytes)
                }
            };
            self.home.insert(out, home);
            self.lists.outs.push(made(Dest::Home(home, bytes)));
        }
        self.needed = self.needed.max(self.alive);
        for var in ended {
            self.alive -= self.bytes(var);
            self.free.extend(self.home.get(&var));
        }
        // What nobody reads is free again at once.
        for out in &eqn.outs {
            if self.at_home[out.index()] && !self.last.contains_key(out) {
                self.alive -= self.bytes(*out);
                self.free.extend(self.home.get(out));
            }
        }
        let moves = !matches!(action, Action::Reshape);
        let bytes =
            eqn.args.iter().chain(&eqn.outs).map(|&var| self.bytes(var) as u64).fold(0, u64::saturating_add);
        self.origins.push(Origin {
            kind: Planner::kind(eqn, &action),
            location: eqn.location,
            path: eqn.path.clone(),
            flops: self.graph.flops(at..at + 1),
            bytes: if moves { bytes } else { 0 },
        });
        let first_end = self.lists.ends.len();
        let Lists { args, outs, ends, .. } = &mut self.lists;
        ends.extend(args[first_arg..].iter().filter_map(Operand::end));
        let range = |first: usize, last: usize| first as u32..last as u32;
        Some(Step {
            action,
            args: range(first_arg, args.len()),
            outs: range(first_out, outs.len()),
            ends: range(first_end, ends.len()),
        })
    }

    /// The last step that reads a value under any shape.
    fn last_of(&self, root: Var, roots: &[Var]) -> usize {
        assert_eq!(roots[root.index()], root, "a value that is another under another shape");
        self.last.get(&root).copied().unwrap_or(0)
    }

    /// The smallest free home that is large enough, or the largest, made larger, or a new one.
    fn new_home(&mut self, bytes: usize) -> u32 {
        let size = |at: usize| self.homes[self.free[at] as usize];
        let fits = |&at: &usize| size(at) >= bytes;
        let smallest = (0..self.free.len()).filter(fits).min_by_key(|&at| size(at));
        // Much too large a home is better left to others.
        let found = smallest
            .filter(|&at| size(at) <= 4 * bytes.max(64))
            .or_else(|| (0..self.free.len()).filter(|at| !fits(at)).max_by_key(|&at| size(at)));
        match found {
            Some(at) => {
                let home = self.free.swap_remove(at);
                let kept = &mut self.homes[home as usize];
                *kept = bytes.max(*kept);
                home
            }
            None => {
                self.homes.push(bytes);
                self.homes.len() as u32 - 1
            }
        }
    }
}

impl Dest {
    /// The number of what is known of an array.
    pub fn aval(self) -> Option<u32> {
        match self {
            Dest::Slot(_, aval) => Some(aval),
            Dest::Home(..) => None,
        }
    }
}

impl Operand {
    /// The slot whose array is used for the last time.
    fn end(&self) -> Option<u32> {
        match *self {
            Operand::Slot(at, true) => Some(at),
            _ => None,
        }
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operand::Slot(at, last) => write!(f, "slot{at}{}", if *last { "!" } else { "" }),
            Operand::Home(at, bytes) => write!(f, "home{at}[{bytes}]"),
            Operand::Const(at) => write!(f, "const{at}"),
        }
    }
}

impl fmt::Display for Dest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dest::Slot(at, _) => write!(f, "slot{at}"),
            Dest::Home(at, bytes) => write!(f, "home{at}[{bytes}]"),
        }
    }
}
