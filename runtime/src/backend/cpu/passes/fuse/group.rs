//! Which equations run together: greedy grouping under a topological order.
//!
//! Groups have levels, higher than those of the groups they read from. A path from a group back to itself has to rise and fall,
//! so a search for one only looks at groups of the levels between, as in the incremental topological order of Pearce and
//! Kelly, "A dynamic topological sort algorithm for directed acyclic graphs" (2006).

use std::cell::RefCell;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::role::{Role, role};
use crate::backend::cpu::codegen::{Access, IterationSpace, LONGEST_ROW, access};
use crate::backend::cpu::passes::analysis::DefUse;
use crate::backend::cpu::schedule::{Schedule, Step};
use crate::core::{Eqn, Var};

/// Equations of one kernel; the slots of a tile have to stay in L1.
const MAX_MEMBERS: usize = 64;
/// Elements of a reduction that is a fused kernel by itself.
const SMALL: usize = 1 << 12;
/// Groups looked at for a way around, before a merger is given up.
const PATIENCE: usize = 200;
/// Readers of a group that are too many to look at.
const MANY: usize = 256;

/// Equations that share one space of elements.
#[derive(Debug)]
pub(super) struct Group {
    pub members: Vec<usize>,
    /// Elements of the space.
    pub size: usize,
    /// Elements of a row, if anything depends on it.
    pub cols: Option<usize>,
    /// What the members make.
    pub values: FxHashMap<Var, IterationSpace>,
    /// More than that of any group it reads from.
    level: usize,
    /// How often its members' values are read, by others or by themselves.
    readers: usize,
}

pub(super) struct Groups {
    all: Vec<Group>,
    /// By equation.
    group_of: Vec<usize>,
    roles: Vec<Option<Role>>,
}

struct Search<'a> {
    graph: &'a Schedule,
    uses: &'a DefUse,
    found: Groups,
    above: RefCell<Seen>,
    below: RefCell<Seen>,
}

/// What an equation would be in a group.
struct Membership {
    space: IterationSpace,
    cols: Option<usize>,
}

impl Group {
    fn of(equation: usize, readers: usize) -> Group {
        Group {
            members: vec![equation],
            size: 0,
            cols: None,
            values: FxHashMap::default(),
            level: 0,
            readers,
        }
    }
}

impl Groups {
    pub fn of(graph: &Schedule, uses: &DefUse) -> Groups {
        let roles = graph.eqns.iter().map(|eqn| role(graph, eqn)).collect();
        let found = Groups { all: Vec::new(), group_of: Vec::new(), roles };
        let (above, below) = (RefCell::default(), RefCell::default());
        let mut search = Search { graph, uses, found, above, below };
        for at in 0..graph.eqns.len() {
            search.assign(at);
        }
        search.found.drop_loose_reshapes(graph);
        search.found
    }

    /// The group of an equation.
    pub fn at(&self, equation: usize) -> &Group {
        &self.all[self.group_of[equation]]
    }

    /// Whether it is a kernel also by itself, which runs in the program's own memory: not a large reduction, for which there are
    /// kernels that know more layouts.
    pub fn is_kernel(&self, equation: usize) -> bool {
        match self.roles[equation] {
            Some(Role::Map(_)) => true,
            Some(Role::Rows(..) | Role::Columns(..) | Role::Total(_)) => {
                (1..=SMALL).contains(&self.at(equation).size)
            }
            Some(Role::Reshape | Role::Join(_)) | None => false,
        }
    }

    /// More than the index of any group.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn index(&self, equation: usize) -> usize {
        self.group_of[equation]
    }

    /// A reshape that no other member reads costs nothing outside, where it may be read under any shape.
    fn drop_loose_reshapes(&mut self, graph: &Schedule) {
        for at in (0..graph.eqns.len()).rev() {
            if !matches!(self.roles[at], Some(Role::Reshape)) || self.at(at).members.len() < 2 {
                continue;
            }
            let out = graph.eqns[at].outs[0];
            let group = self.group_of[at];
            if self.all[group].members.iter().any(|&other| graph.eqns[other].args.contains(&out)) {
                continue;
            }
            self.all[group].members.retain(|&other| other != at);
            self.all[group].values.remove(&out);
            self.group_of[at] = self.all.len();
            self.all.push(Group::of(at, 0));
        }
    }
}

impl Search<'_> {
    /// Finds the group of an equation: that of the first argument that it fits to, merged with those of others that fit as well, or
    /// one of its own.
    fn assign(&mut self, at: usize) {
        let graph = self.graph;
        let eqn = &graph.eqns[at];
        let mut joined = None;
        for &arg in &eqn.args {
            let Some(other) = self.maker(arg) else { continue };
            if joined == Some(other) {
                continue;
            }
            let Some(membership) = self.fits(at, other) else { continue };
            match joined {
                None if self.has_no_way_around(other, None, &eqn.args) => {
                    self.join(at, other, &membership);
                    joined = Some(other);
                }
                Some(own) if self.may_merge(own, other) => {
                    joined = Some(self.merge(own, other));
                }
                _ => {}
            }
        }
        let joined = joined.unwrap_or_else(|| {
            let group = self.alone(at);
            self.found.group_of.push(self.found.all.len());
            self.found.all.push(group);
            self.found.all.len() - 1
        });
        let below = self
            .makers(at)
            .filter(|&group| group != joined)
            .map(|group| self.found.all[group].level + 1)
            .max();
        let own = &mut self.found.all[joined].level;
        *own = (*own).max(below.unwrap_or(0));
        self.raise_readers(joined);
    }

    /// Restores the order of levels behind a group.
    fn raise_readers(&mut self, group: usize) {
        let mut open = vec![group];
        while let Some(group) = open.pop() {
            let level = self.found.all[group].level;
            for member in self.found.all[group].members.clone() {
                for other in self.readers(member).collect::<SmallVec<[usize; 4]>>() {
                    if other != group && self.found.all[other].level <= level {
                        self.found.all[other].level = level + 1;
                        open.push(other);
                    }
                }
            }
        }
    }

    fn count_readers(&self, equation: usize) -> usize {
        self.graph.eqns[equation].outs.iter().map(|&out| self.uses.uses(out).len()).sum()
    }

    fn alone(&self, at: usize) -> Group {
        let eqn = &self.graph.eqns[at];
        let mut group = Group::of(at, self.count_readers(at));
        let size = |var: Var| self.graph.aval(var).size();
        let space = match self.found.roles[at] {
            Some(Role::Map(_)) => {
                group.size = size(eqn.outs[0]);
                IterationSpace::Full
            }
            Some(Role::Rows(_, cols)) if cols <= LONGEST_ROW => {
                (group.size, group.cols) = (size(eqn.args[0]), Some(cols));
                IterationSpace::Row
            }
            Some(Role::Columns(_, cols)) => {
                (group.size, group.cols) = (size(eqn.args[0]), Some(cols));
                IterationSpace::Column
            }
            Some(Role::Total(_)) => {
                group.size = size(eqn.args[0]);
                if group.size <= LONGEST_ROW {
                    group.cols = Some(group.size);
                    IterationSpace::Row
                } else {
                    IterationSpace::Total
                }
            }
            _ => return group,
        };
        group.values.insert(eqn.outs[0], space);
        group
    }

    /// What the equation would be in the group, leaving aside what lies between.
    ///
    /// A group has one space of elements in rows and columns, and each value in it has an element for all of them, for each row, or at
    /// the end for each column or for everything. A map fits if all its arguments have an element wherever its result has one;
    /// a fold fits if its rows are those of the group, or make them so, and what it folds is there for all elements. What is
    /// known at the end only (by column, or in total) is read by no member.
    fn fits(&self, at: usize, group: usize) -> Option<Membership> {
        let (eqn, group) = (&self.graph.eqns[at], &self.found.all[group]);
        if group.size == 0 || group.members.len() >= MAX_MEMBERS {
            return None;
        }
        let size = |var: Var| self.graph.aval(var).size();
        let space_of = |var: Var| group.values.get(&var).copied();
        match self.found.roles[at]? {
            Role::Reshape => match space_of(eqn.args[0])? {
                space @ (IterationSpace::Full | IterationSpace::Row) => {
                    Some(Membership { space, cols: group.cols })
                }
                IterationSpace::Column | IterationSpace::Total => None,
            },
            Role::Map(_) => {
                let out = eqn.outs[0];
                if size(out) == group.size && eqn.args.iter().all(|&arg| self.is_seen_by_all(eqn, arg, group))
                {
                    return Some(Membership { space: IterationSpace::Full, cols: group.cols });
                }
                // Not of all elements, so of all rows, if it has as many and reads nothing finer. An argument of the group is known by its
                // space; one from outside has to be a number, or have an element for each row.
                let rows = group.size / group.cols?;
                let by_row = |&arg: &Var| match space_of(arg) {
                    Some(space) => space == IterationSpace::Row,
                    None => matches!(self.access(eqn, arg, usize::MAX), Access::One | Access::Full),
                };
                (size(out) == rows && eqn.args.iter().all(by_row))
                    .then_some(Membership { space: IterationSpace::Row, cols: group.cols })
            }
            Role::Rows(_, cols) => {
                let fits = space_of(eqn.args[0])? == IterationSpace::Full
                    && cols <= LONGEST_ROW
                    && group.cols.is_none_or(|own| own == cols);
                fits.then_some(Membership { space: IterationSpace::Row, cols: Some(cols) })
            }
            Role::Columns(_, cols) => {
                let fits = space_of(eqn.args[0])? == IterationSpace::Full
                    && group.cols.is_none_or(|own| own == cols);
                fits.then_some(Membership { space: IterationSpace::Column, cols: Some(cols) })
            }
            // Its elements are there when all tiles are, as those of a total: no member may read them.
            Role::Join(cols) => {
                let mut spaces = eqn.args.iter().filter_map(|&arg| space_of(arg));
                let fits = spaces.all(|space| space == IterationSpace::Full)
                    && size(eqn.args[0]) == group.size
                    && group.cols.is_none_or(|own| own == cols);
                fits.then_some(Membership { space: IterationSpace::Total, cols: Some(cols) })
            }
            // A total of no more than a row can hold is the reduction of the only row, and members may read it; else it is put together
            // from all tiles at the end.
            Role::Total(_) => match (space_of(eqn.args[0])?, group.cols) {
                (IterationSpace::Full, None) if group.size <= LONGEST_ROW => {
                    Some(Membership { space: IterationSpace::Row, cols: Some(group.size) })
                }
                (IterationSpace::Full, Some(cols)) if cols == group.size => {
                    Some(Membership { space: IterationSpace::Row, cols: group.cols })
                }
                (IterationSpace::Full, cols) => Some(Membership { space: IterationSpace::Total, cols }),
                _ => None,
            },
        }
    }

    /// Whether an argument has a number for each element of the group.
    fn is_seen_by_all(&self, eqn: &Eqn<Step>, arg: Var, group: &Group) -> bool {
        match group.values.get(&arg) {
            None => true,
            Some(IterationSpace::Full) => self.graph.aval(arg).size() == group.size,
            Some(IterationSpace::Row) => {
                let cols = group.cols.unwrap_or(usize::MAX);
                let access = self.access(eqn, arg, cols);
                matches!(access, Access::Rows) || (group.size == cols && matches!(access, Access::One))
            }
            Some(IterationSpace::Column | IterationSpace::Total) => false,
        }
    }

    fn access(&self, eqn: &Eqn<Step>, arg: Var, cols: usize) -> Access {
        access(&self.graph.aval(eqn.outs[0]).shape, &self.graph.aval(arg).shape, cols)
    }

    fn join(&mut self, at: usize, group: usize, membership: &Membership) {
        self.found.group_of.push(group);
        let readers = self.count_readers(at);
        let group = &mut self.found.all[group];
        group.members.push(at);
        group.readers += readers;
        group.cols = membership.cols;
        group.values.insert(self.graph.eqns[at].outs[0], membership.space);
    }

    /// Whether two groups can become one: they have the same space, what members of one read of the other is there where they read
    /// it, and neither reads from the other through a third.
    fn may_merge(&self, a: usize, b: usize) -> bool {
        let (one, other) = (&self.found.all[a], &self.found.all[b]);
        if one.size != other.size || one.members.len() + other.members.len() > MAX_MEMBERS {
            return false;
        }
        if let (Some(x), Some(y)) = (one.cols, other.cols)
            && x != y
        {
            return false;
        }
        let cols = one.cols.or(other.cols);
        // What a member of one reads of the other must have a number for each of its elements.
        let reads = |reader: &Group, made: &Group| {
            reader.members.iter().all(|&member| {
                let eqn = &self.graph.eqns[member];
                let own = match reader.values.get(&eqn.outs[0]) {
                    Some(IterationSpace::Row) if matches!(self.found.roles[member], Some(Role::Map(_))) => {
                        IterationSpace::Row
                    }
                    _ => IterationSpace::Full,
                };
                eqn.args.iter().all(|&arg| match (made.values.get(&arg), own) {
                    (None, _) | (Some(IterationSpace::Row), IterationSpace::Row) => true,
                    (Some(IterationSpace::Full), IterationSpace::Full) => {
                        self.graph.aval(arg).size() == reader.size
                    }
                    (Some(IterationSpace::Row), IterationSpace::Full)
                        if matches!(self.found.roles[member], Some(Role::Map(_))) =>
                    {
                        matches!(self.access(eqn, arg, cols.unwrap_or(usize::MAX)), Access::Rows)
                    }
                    _ => false,
                })
            })
        };
        let outside = |group: usize, other: usize| {
            let members = self.found.all[group].members.iter();
            let args: Vec<Var> = members.flat_map(|&i| self.graph.eqns[i].args.iter().copied()).collect();
            self.has_no_way_around(other, Some(group), &args)
        };
        reads(one, other) && reads(other, one) && outside(a, b) && outside(b, a)
    }

    fn merge(&mut self, a: usize, b: usize) -> usize {
        let (into, from) = (a.min(b), a.max(b));
        let group = &mut self.found.all[from];
        let members = std::mem::take(&mut group.members);
        let values = std::mem::take(&mut group.values);
        let (cols, level, readers) = (group.cols, group.level, group.readers);
        group.size = 0;
        members.iter().for_each(|&member| self.found.group_of[member] = into);
        let group = &mut self.found.all[into];
        group.members.extend(members);
        group.members.sort_unstable();
        group.values.extend(values);
        group.cols = group.cols.or(cols);
        group.level = group.level.max(level);
        group.readers += readers;
        self.raise_readers(into);
        into
    }

    /// Whether none of the values, read by a group or a new equation, depends on `group` through equations of others.
    ///
    /// It is looked for from both sides in turn, so that it takes no longer than from the side that has less behind it: a
    /// value may depend on everything before, and a group may be read by everything behind it.
    fn has_no_way_around(&self, group: usize, reader: Option<usize>, values: &[Var]) -> bool {
        let groups = &self.found.all;
        let is_other = |other: usize| other != group && Some(other) != reader;
        let (mut above, mut below) = (self.above.borrow_mut(), self.below.borrow_mut());
        above.begin(groups.len());
        below.begin(groups.len());
        let lowest = groups[group].level;
        // Groups that a value comes from, and those that read from `group`, as far as their levels allow for a way.
        let mut up: Vec<usize> = Vec::new();
        let mut highest = lowest;
        for maker in values.iter().filter_map(|&value| self.maker(value)) {
            if is_other(maker) && groups[maker].level > lowest && above.insert(maker) {
                highest = highest.max(groups[maker].level);
                up.push(maker);
            }
        }
        let mut down = vec![group];
        let mut looked_at = 0;
        while let Some(next) = up.pop() {
            looked_at += 1;
            if looked_at > PATIENCE {
                return false;
            }
            for &member in &groups[next].members {
                for maker in self.makers(member) {
                    if maker == group || below.contains(maker) {
                        return false;
                    }
                    if is_other(maker) && groups[maker].level > lowest && above.insert(maker) {
                        up.push(maker);
                    }
                }
            }
            let Some(next) = down.pop() else { return true };
            if groups[next].readers > MANY {
                down.push(next);
                continue;
            }
            for &member in &groups[next].members {
                for reader in self.readers(member) {
                    if above.contains(reader) {
                        return false;
                    }
                    if is_other(reader) && groups[reader].level <= highest && below.insert(reader) {
                        down.push(reader);
                    }
                }
            }
        }
        true
    }

    /// The group that makes a value.
    fn maker(&self, value: Var) -> Option<usize> {
        self.found.group_of.get(self.uses.def(value)?).copied()
    }

    /// The groups that an equation waits for: it reads what they make, or has its effects after theirs.
    fn makers(&self, equation: usize) -> impl Iterator<Item = usize> {
        let values = self.graph.eqns[equation].args.iter().filter_map(|&arg| self.uses.def(arg));
        let makers = values.chain(self.uses.effect_before(equation));
        makers.filter_map(|maker| self.found.group_of.get(maker).copied())
    }

    /// The groups that wait for an equation.
    fn readers(&self, equation: usize) -> impl Iterator<Item = usize> {
        let group = |reader: &usize| self.found.group_of.get(*reader).copied();
        let outs = self.graph.eqns[equation].outs.iter();
        // Uses are in order, so those behind one that has no group yet have none, either.
        let readers = outs.flat_map(move |&out| self.uses.uses(out).iter().map_while(group));
        readers.chain(self.uses.effect_after(equation).as_ref().and_then(group))
    }
}

/// Groups that a search has come across; the next search begins without clearing.
#[derive(Default)]
struct Seen {
    search: usize,
    /// By group: the last search that has seen it.
    last: Vec<usize>,
}

impl Seen {
    fn begin(&mut self, groups: usize) {
        self.search += 1;
        self.last.resize(groups, 0);
    }

    fn contains(&self, group: usize) -> bool {
        self.last[group] == self.search
    }

    fn insert(&mut self, group: usize) -> bool {
        std::mem::replace(&mut self.last[group], self.search) != self.search
    }
}
