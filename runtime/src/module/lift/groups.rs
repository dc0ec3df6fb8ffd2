//! Which collections and random streams pass through a transform, and how.

use crate::core::Tensor;
use crate::error::Result;
use crate::scope::Rngs;
use crate::transform::Axes;
use crate::tree;
use crate::variables::{self, Dict, Filter, MetadataParams, Variables};

/// What a transform does with a collection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Role {
    /// It has an axis more outside: where that is on the way in, and on the way out.
    Axis { into: Option<isize>, out: Option<isize> },
    /// It is the same for all.
    Shared,
    /// It goes from one step to the next.
    Carried,
}

/// Which collections and random streams pass through a transform, and how: the first filter that accepts one counts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Groups {
    collections: Vec<(Filter, Role)>,
    split: Filter,
    shared: Filter,
    /// What boxes are told of the new axis.
    pub metadata: MetadataParams,
}

impl Default for Groups {
    fn default() -> Groups {
        Groups {
            collections: Vec::new(),
            split: Filter::none(),
            shared: Filter::none(),
            metadata: MetadataParams::new(),
        }
    }
}

impl Groups {
    pub fn add(&mut self, filter: impl Into<Filter>, role: Role) {
        let filter = filter.into();
        if role == Role::Shared {
            self.shared = self.shared.union(&filter);
        }
        self.collections.push((filter, role));
    }

    pub fn add_shared_streams(&mut self, streams: impl Into<Filter>) {
        self.shared = self.shared.union(streams);
    }

    /// All that nothing was said of has an axis in front, and is split.
    pub fn or_all(mut self) -> Groups {
        self.add(true, Role::Axis { into: Some(0), out: Some(0) });
        let shared = self.shared.clone();
        self.split(shared.complement());
        self
    }

    pub fn split(&mut self, streams: impl Into<Filter>) {
        self.split = self.split.union(streams);
    }

    fn role(&self, collection: &str) -> Option<Role> {
        self.collections.iter().find(|(filter, _)| filter.accepts(collection)).map(|(_, role)| *role)
    }

    /// The collections of which `accepts` accepts what is done with them.
    pub fn filter(&self, accepts: impl Fn(Role) -> bool) -> Filter {
        let (mut left, mut accepted) = (Filter::all(), Filter::none());
        for (filter, role) in &self.collections {
            if accepts(*role) {
                accepted = accepted.union(left.intersect(filter));
            }
            left = left.subtract(filter);
        }
        accepted
    }

    /// The collections that go in.
    pub fn incoming(&self) -> Filter {
        self.filter(|role| !matches!(role, Role::Axis { into: None, .. }))
    }

    /// The collections that come out.
    pub fn outgoing(&self) -> Filter {
        self.filter(|role| !matches!(role, Role::Axis { out: None, .. }))
    }

    /// The random streams that go in.
    pub fn streams(&self) -> Filter {
        self.split.union(&self.shared)
    }

    pub fn is_split(&self, stream: &str) -> bool {
        self.split.accepts(stream)
    }

    /// The keys of `n` elements where a stream is split, along axis 0; one key where it is shared.
    ///
    /// It is the key of the whole run that is split: paths are folded into what each element gets.
    pub fn split_rngs(&self, rngs: &[Rngs], n: usize) -> Result<Vec<Rngs>> {
        rngs.iter().map(|rngs| rngs.map(&self.split, |_, key| key.try_split_n(n))).collect()
    }

    /// Variables without their axes outside, as boxes know them.
    pub fn boxes_in(&self, variables: Vec<Variables>) -> Result<Vec<Variables>> {
        self.boxes(variables, |role, dict| match role {
            Role::Axis { into: Some(axis), .. } => variables::remove_axis(dict, axis, &self.metadata),
            _ => Ok(dict.clone()),
        })
    }

    /// Variables with their axes outside, as boxes know them.
    pub fn boxes_out(&self, variables: Vec<Variables>) -> Result<Vec<Variables>> {
        self.boxes(variables, |role, dict| match role {
            Role::Axis { out: Some(axis), .. } => variables::add_axis(dict, axis, &self.metadata),
            _ => Ok(dict.clone()),
        })
    }

    fn boxes(
        &self,
        variables: Vec<Variables>,
        of: impl Fn(Role, &Dict) -> Result<Dict>,
    ) -> Result<Vec<Variables>> {
        let collection = |(name, dict): (&str, &Dict)| {
            let dict = self.role(name).map_or_else(|| Ok(dict.clone()), |role| of(role, dict))?;
            Ok((name.to_owned(), dict))
        };
        variables.iter().map(|variables| variables.iter().map(collection).collect()).collect()
    }

    /// The sizes of the axes that variables have outside only.
    pub fn sizes(&self, variables: &[Variables]) -> Vec<usize> {
        let mut axes = Vec::new();
        let variables = variables.to_vec();
        CollectionAxes { groups: self, out: false }.broadcast_prefix(&variables, &mut axes);
        sizes(tree::leaves(&variables), &axes)
    }
}

/// The sizes of axes of leaves; where there is no such axis, the transform says so.
pub(super) fn sizes(leaves: Vec<&Tensor>, axes: &[Option<isize>]) -> Vec<usize> {
    let size = |(leaf, axis): (&Tensor, &Option<isize>)| {
        let axis = axis.as_ref()?;
        let index = if *axis < 0 { leaf.rank().checked_add_signed(*axis)? } else { axis.unsigned_abs() };
        leaf.shape().get(index).copied()
    };
    leaves.into_iter().zip(axes).filter_map(size).collect()
}

/// The axis of every variable: that of its collection.
pub(super) struct CollectionAxes<'g> {
    pub groups: &'g Groups,
    /// On the way out.
    pub out: bool,
}

impl Axes<Vec<Variables>> for CollectionAxes<'_> {
    fn broadcast_prefix(&self, tree: &Vec<Variables>, axes: &mut Vec<Option<isize>>) {
        for (collection, dict) in tree.iter().flatten() {
            let axis = match self.groups.role(collection) {
                Some(Role::Axis { into, out }) => {
                    if self.out {
                        out
                    } else {
                        into
                    }
                }
                _ => None,
            };
            axes.extend(std::iter::repeat_n(axis, tree::count(dict)));
        }
    }
}

/// The axis of every key: the first one where the stream is split.
pub(super) struct StreamAxes<'g>(pub &'g Groups);

impl Axes<Vec<Rngs>> for StreamAxes<'_> {
    fn broadcast_prefix(&self, tree: &Vec<Rngs>, axes: &mut Vec<Option<isize>>) {
        for rngs in tree {
            axes.extend(rngs.streams().map(|stream| self.0.is_split(stream).then_some(0)));
        }
    }
}

/// The methods by which a transform is told what to do with collections and random streams.
macro_rules! group_methods {
    () => {
        /// Gives the collections of a filter one more axis outside: axis `k` of every variable in it is that of the transform.
        pub fn axis(mut self, collections: impl Into<$crate::variables::Filter>, k: isize) -> Self {
            self.groups
                .add(collections, $crate::module::lift::groups::Role::Axis { into: Some(k), out: Some(k) });
            self
        }

        /// As [`axis`](Self::axis), for collections that are read only.
        pub fn axis_in(mut self, collections: impl Into<$crate::variables::Filter>, k: isize) -> Self {
            self.groups
                .add(collections, $crate::module::lift::groups::Role::Axis { into: Some(k), out: None });
            self
        }

        /// As [`axis`](Self::axis), for collections that are made inside: what they are outside is not seen there.
        pub fn axis_out(mut self, collections: impl Into<$crate::variables::Filter>, k: isize) -> Self {
            self.groups
                .add(collections, $crate::module::lift::groups::Role::Axis { into: None, out: Some(k) });
            self
        }

        /// Makes the collections and random streams of a filter the same for all.
        pub fn share(mut self, filter: impl Into<$crate::variables::Filter>) -> Self {
            self.groups.add(filter, $crate::module::lift::groups::Role::Shared);
            self
        }

        /// Splits the key of random streams, so that each element draws numbers of its own.
        pub fn split(mut self, streams: impl Into<$crate::variables::Filter>) -> Self {
            self.groups.split(streams);
            self
        }

        /// What boxes with axis names, such as [`Partitioned`](crate::variables::Partitioned), call the new axis; or whatever else
        /// metadata of one's own asks for.
        pub fn metadata(mut self, params: impl Into<$crate::variables::MetadataParams>) -> Self {
            self.groups.metadata = params.into();
            self
        }
    };
}
pub(super) use group_methods;
