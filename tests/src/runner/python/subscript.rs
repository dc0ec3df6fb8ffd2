//! `value[index]`.

use flaxen::prelude::*;

use super::value::{Py, lock};

fn fail<T>(message: impl Into<String>) -> Result<T> {
    Err(Error::msg(message))
}

/// The item of an index, or the items of a slice.
///
/// # Errors
/// If there is none.
pub fn get(owner: &Py, index: &Py) -> Result<Py> {
    match (owner, index) {
        (Py::Tensor(tensor), index) => tensor_at(tensor, index).map(Py::Tensor),
        (Py::Variable(variable), index) => get(&Py::of_tree(&variable.try_get()?)?, index),
        (Py::Key(keys), Py::Whole(i)) => Ok(Py::Key(keys.try_at(*i as isize)?)),
        (Py::Dict(entries), key) => {
            let found =
                lock(entries).iter().find(|(other, _)| key.equals(other)).map(|(_, value)| value.clone());
            found.ok_or_else(|| Error::msg(format!("no entry {key:?}")))
        }
        (Py::Tuple(_) | Py::List(_), Py::Slice(parts)) => {
            let items = sliced(&owner.items()?, parts)?;
            Ok(if matches!(owner, Py::Tuple(_)) { Py::tuple(items) } else { Py::list(items) })
        }
        (Py::Tuple(_) | Py::List(_), Py::Whole(i)) => {
            let items = owner.items()?;
            let at = if *i < 0 { items.len() as i64 + i } else { *i };
            let item = usize::try_from(at).ok().and_then(|at| items.get(at).cloned());
            item.ok_or_else(|| Error::msg(format!("no item {i} of {}", items.len())))
        }
        // Types with parameters, as in `Sequence[int]`.
        (Py::Library(_) | Py::Class(_), _) => Ok(owner.clone()),
        (owner, index) => fail(format!("{} at {index:?}", owner.kind())),
    }
}

/// Puts a value at an index.
///
/// # Errors
/// If it cannot be put there.
pub fn assign(owner: &Py, index: &Py, value: Py) -> Result<()> {
    match (owner, index) {
        (Py::Dict(entries), key) => {
            let mut entries = lock(entries);
            match entries.iter_mut().find(|(other, _)| key.equals(other)) {
                Some((_, old)) => *old = value,
                None => entries.push((key.clone(), value)),
            }
            Ok(())
        }
        (Py::List(items), Py::Whole(i)) => {
            let mut items = lock(items);
            let at = if *i < 0 { items.len() as i64 + i } else { *i };
            match usize::try_from(at).ok().and_then(|at| items.get_mut(at)) {
                Some(item) => {
                    *item = value;
                    Ok(())
                }
                None => fail(format!("no item {i} of {}", items.len())),
            }
        }
        (owner, index) => fail(format!("an assignment to {} at {index:?}", owner.kind())),
    }
}

fn sliced(items: &[Py], [start, end, step]: &[Option<isize>; 3]) -> Result<Vec<Py>> {
    let (len, step) = (items.len() as isize, step.unwrap_or(1));
    if step == 0 {
        return fail("a slice of step 0");
    }
    let backwards = isize::from(step < 0);
    let at = |bound: isize| (if bound < 0 { bound + len } else { bound }).clamp(-backwards, len - backwards);
    let mut position = start.map_or(if step > 0 { 0 } else { len - 1 }, at);
    let end = end.map_or(if step > 0 { len } else { -1 }, at);
    let mut out = Vec::new();
    while (step > 0 && position < end) || (step < 0 && position > end) {
        out.push(items[position as usize].clone());
        position += step;
    }
    Ok(out)
}

/// NumPy's indexing, with one array of integers at most.
fn tensor_at(tensor: &Tensor, index: &Py) -> Result<Tensor> {
    let parts = match index {
        Py::Tuple(parts) => parts.to_vec(),
        single => vec![single.clone()],
    };
    let taken = parts.iter().filter(|part| !matches!(part, Py::Nothing | Py::Ellipsis)).count();
    let arrays = parts.iter().filter(|part| matches!(part, Py::Tensor(_) | Py::List(_))).count();
    if arrays > 1 {
        return several(tensor, &parts);
    }
    let (mut out, mut axis) = (tensor.clone(), 0);
    for part in &parts {
        match part {
            Py::Whole(i) => out = out.try_index_axis(axis, *i as isize)?,
            Py::Slice([start, end, step]) => {
                out = out.try_slice_axis_step(axis, *start..*end, step.unwrap_or(1))?;
                axis += 1;
            }
            Py::Nothing => {
                out = out.try_expand_dims([axis])?;
                axis += 1;
            }
            Py::Ellipsis => axis += tensor.rank().saturating_sub(taken) as isize,
            Py::Tensor(_) | Py::List(_) => {
                let indices = part.tensor()?;
                if indices.dtype() == DType::Bool {
                    return fail("an index of booleans");
                }
                out = out.try_take(&indices, axis)?;
                axis += indices.rank() as isize;
            }
            other => return fail(format!("an array at {other:?}")),
        }
    }
    Ok(out)
}

/// `x[i, j]` of arrays of integers alone: one element of the leading axes for each place.
fn several(tensor: &Tensor, parts: &[Py]) -> Result<Tensor> {
    let mut indices = parts.iter().map(Py::tensor).collect::<Result<Vec<_>>>()?;
    let zero = indices.iter().try_fold(Tensor::from(0i32), |sum, index| sum.try_add(index.try_mul(0)?))?;
    for index in &mut indices {
        *index = index.try_add(&zero)?;
    }
    tensor.try_gather_nd(Tensor::try_stack(&indices, -1)?)
}
