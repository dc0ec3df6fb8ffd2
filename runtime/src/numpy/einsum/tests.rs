use proptest::prelude::*;

use crate::numpy::einsum::contraction::*;

/// An array of `f64` whose axes have labels.
#[derive(Clone, Debug)]
struct Labelled {
    labels: Vec<Label>,
    shape: Vec<usize>,
    data: Vec<f64>,
}

impl Labelled {
    /// Small whole numbers, so that every order of summation gives the same.
    fn noise(shape: &[usize], seed: usize) -> Self {
        let n: usize = shape.iter().product();
        let data = (0..n).map(|i| ((i * 7 + seed * 13 + i * i * 3) % 11) as f64 - 5.0).collect();
        Self { labels: Vec::new(), shape: shape.to_vec(), data }
    }

    /// The element at this index of all labels; axes of size one broadcast.
    fn at(&self, index: &[usize]) -> f64 {
        let position =
            self.labels.iter().zip(&self.shape).fold(0, |position, (&label, &size)| {
                position * size + if size == 1 { 0 } else { index[label] }
            });
        self.data[position]
    }
}

/// Sums the product of `values` over all labels that `output` does not have.
fn sum_of_products(values: &[&Labelled], output: &[Label], sizes: &[usize]) -> Labelled {
    let used = |label: &Label| output.contains(label) || values.iter().any(|v| v.labels.contains(label));
    let mut extent = sizes.to_vec();
    for label in (0..sizes.len()).filter(|label| !used(label)) {
        extent[label] = 1;
    }
    let shape: Vec<usize> = output.iter().map(|&label| sizes[label]).collect();
    let mut data = vec![0.0; shape.iter().product()];
    for number in 0..extent.iter().product::<usize>() {
        let mut rest = number;
        let index: Vec<usize> = extent
            .iter()
            .map(|&size| {
                let i = rest % size;
                rest /= size;
                i
            })
            .collect();
        let position = output.iter().fold(0, |position, &label| position * sizes[label] + index[label]);
        data[position] += values.iter().map(|value| value.at(&index)).product::<f64>();
    }
    Labelled { labels: output.to_vec(), shape, data }
}

/// Does what a plan says, and checks that each step is a dot of labels that exist.
fn execute(plan: &Plan, arrays: &[Labelled]) -> Labelled {
    let sizes = &plan.sizes;
    let mut values: Vec<Option<Labelled>> = Vec::new();
    for (operand, array) in plan.operands.iter().zip(arrays) {
        let mut array = array.clone();
        for &axis in operand.squeeze.iter().rev() {
            assert_eq!(array.shape.remove(axis), 1);
        }
        array.labels.clone_from(&operand.axes);
        assert!(array.labels.iter().zip(&array.shape).all(|(&label, &size)| sizes[label] == size));
        assert!(operand.sum.iter().all(|label| !operand.labels.contains(label)));
        values.push(Some(sum_of_products(&[&array], &operand.labels, sizes)));
    }
    for step in &plan.steps {
        let lhs = values[step.lhs].take().expect("each value is used once");
        let rhs = values[step.rhs].take().expect("each value is used once");
        assert_eq!((&lhs.labels, &rhs.labels), (&step.lhs_labels, &step.rhs_labels));
        // A dot sums over shared labels only.
        for label in lhs.labels.iter().chain(&rhs.labels) {
            let shared = lhs.labels.contains(label) && rhs.labels.contains(label);
            assert!(shared || step.out_labels.contains(label));
        }
        let dot_order: Vec<Label> = step
            .batch()
            .chain(lhs.labels.iter().copied().filter(|l| !rhs.labels.contains(l)))
            .chain(rhs.labels.iter().copied().filter(|l| !lhs.labels.contains(l)))
            .collect();
        assert_eq!(step.out_labels, dot_order);
        assert!(step.contracted().all(|label| !step.out_labels.contains(&label)));
        values.push(Some(sum_of_products(&[&lhs, &rhs], &step.out_labels, sizes)));
    }
    let result = values.pop().flatten().expect("the last value is left");
    assert!(values.iter().all(Option::is_none));
    assert_eq!(result.labels, plan.result);
    let (mut have, mut want) = (plan.result.clone(), plan.output.clone());
    have.sort_unstable();
    want.sort_unstable();
    assert_eq!(have, want);
    sum_of_products(&[&result], &plan.output, sizes)
}

fn arrays(shapes: &[&[usize]]) -> Vec<Labelled> {
    shapes.iter().enumerate().map(|(i, shape)| Labelled::noise(shape, i)).collect()
}

fn run(subscripts: &str, shapes: &[&[usize]]) -> Labelled {
    let plan = plan(subscripts, shapes).unwrap_or_else(|error| panic!("{error}"));
    execute(&plan, &arrays(shapes))
}

/// Evaluates an explicit string of letters all at once.
fn directly(subscripts: &str, shapes: &[&[usize]]) -> Labelled {
    let (inputs, output) = subscripts.split_once("->").unwrap();
    let label = |c: char| c as usize - 'a' as usize;
    let mut sizes = vec![1; 26];
    let mut arrays = arrays(shapes);
    for (array, term) in arrays.iter_mut().zip(inputs.split(',')) {
        array.labels = term.chars().map(label).collect();
        for (&label, &size) in array.labels.iter().zip(&array.shape) {
            sizes[label] = sizes[label].max(size);
        }
    }
    sum_of_products(
        &arrays.iter().collect::<Vec<_>>(),
        &output.chars().map(label).collect::<Vec<_>>(),
        &sizes,
    )
}

fn same(a: &Labelled, b: &Labelled) {
    assert_eq!((&a.shape, &a.data), (&b.shape, &b.data));
}

#[test]
fn plans_compute_what_the_string_says() {
    let cases: [(&str, &[&[usize]]); 17] = [
        ("ij,jk->ik", &[&[2, 3], &[3, 4]]),
        ("ij,jk->ki", &[&[2, 3], &[3, 4]]),
        ("ij->ji", &[&[2, 3]]),
        ("ij->", &[&[2, 3]]),
        ("ii->i", &[&[3, 3]]),
        ("ii->", &[&[3, 3]]),
        ("iji->j", &[&[3, 2, 3]]),
        ("i,j->ij", &[&[3], &[2]]),
        ("bij,bjk->bik", &[&[2, 3, 4], &[2, 4, 3]]),
        ("ij,kl->", &[&[2, 3], &[4, 2]]),
        ("ij,ij->ij", &[&[2, 3], &[2, 3]]),
        ("ij,ij->ij", &[&[1, 3], &[2, 1]]),
        ("iij,jk->ik", &[&[2, 2, 3], &[3, 2]]),
        ("bqhd,bkhd->bhqk", &[&[2, 3, 2, 4], &[2, 2, 2, 4]]),
        ("ab,bc,cd,de->ae", &[&[2, 3], &[3, 2], &[2, 4], &[4, 2]]),
        ("abc,cd,ef,be,f->ad", &[&[2, 2, 3], &[3, 2], &[2, 2], &[2, 2], &[2]]),
        (",a,->a", &[&[], &[3], &[]]),
    ];
    for (subscripts, shapes) in cases {
        same(&run(subscripts, shapes), &directly(subscripts, shapes));
    }
}

#[test]
fn implicit_output_is_the_labels_that_occur_once_in_alphabetical_order() {
    same(&run("ba", &[&[2, 3]]), &directly("ba->ab", &[&[2, 3]]));
    same(&run("ij,jk", &[&[2, 3], &[3, 4]]), &directly("ij,jk->ik", &[&[2, 3], &[3, 4]]));
    same(&run("kj,ji", &[&[2, 3], &[3, 4]]), &directly("kj,ji->ik", &[&[2, 3], &[3, 4]]));
    same(&run("ii", &[&[3, 3]]), &directly("ii->", &[&[3, 3]]));
    same(&run("b...a", &[&[2, 4, 3]]), &directly("bxa->xab", &[&[2, 4, 3]]));
}

#[test]
fn ellipses_broadcast_from_the_right() {
    let shapes: [&[usize]; 2] = [&[2, 1, 3, 4], &[5, 4, 2]];
    same(&run("...ij,...jk->...ik", &shapes), &directly("xyij,yjk->xyik", &shapes));
    same(&run("...ij,...jk", &shapes), &directly("xyij,yjk->xyik", &shapes));
    let shapes: [&[usize]; 2] = [&[3, 2, 2], &[2]];
    same(&run("i...,...->...i", &shapes), &directly("ixy,y->xyi", &shapes));
    same(&run("i...j , j -> i...", &shapes), &directly("ixj,j->ix", &shapes));
    same(&run("...->", &[&[2, 3]]), &directly("ab->", &[&[2, 3]]));
    same(&run("...i->i", &[&[2, 3]]), &directly("ab->b", &[&[2, 3]]));
    same(&run("i->...i", &[&[2]]), &directly("i->i", &[&[2]]));
}

#[test]
fn empty_axes_sum_to_zero() {
    assert_eq!(run("ij,jk->ik", &[&[2, 0], &[0, 2]]).data, [0.0; 4]);
    assert!(run("ij->j", &[&[2, 0]]).data.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_explicit_string_is_computed_as_written(
        terms in proptest::collection::vec(proptest::collection::vec(0..5usize, 0..4), 1..11),
        sizes in proptest::collection::vec(1..3usize, 5),
        keep in proptest::collection::vec(any::<bool>(), 5),
    ) {
        let letter = |&label: &usize| (b'a' + label as u8) as char;
        let inputs: Vec<String> = terms.iter().map(|term| term.iter().map(letter).collect()).collect();
        let output: String =
            (0..5).rev().filter(|l| keep[*l] && terms.iter().any(|t| t.contains(l))).map(|l| letter(&l)).collect();
        let shapes: Vec<Vec<usize>> =
            terms.iter().map(|term| term.iter().map(|&label| sizes[label]).collect()).collect();
        let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
        let subscripts = format!("{}->{output}", inputs.join(","));
        same(&run(&subscripts, &shapes), &directly(&subscripts, &shapes));
    }
}

fn pairs(subscripts: &str, shapes: &[&[usize]]) -> Vec<(usize, usize)> {
    plan(subscripts, shapes).unwrap().steps.iter().map(|step| (step.lhs, step.rhs)).collect()
}

#[test]
fn chains_are_contracted_where_it_is_cheapest() {
    // 2·(10·1000·10 + 10·10·1000) operations from the left, 2·(1000·10·1000 + 10·1000·1000) from the right.
    assert_eq!(pairs("ij,jk,kl->il", &[&[10, 1000], &[1000, 10], &[10, 1000]]), [(0, 1), (3, 2)]);
    assert_eq!(pairs("ij,jk,k->i", &[&[100, 100], &[100, 100], &[100]]), [(1, 2), (0, 3)]);
}

#[test]
fn labels_of_nothing_else_are_summed_before_any_dot() {
    let plan = plan("ijk,kl->l", &[&[2, 3, 4], &[4, 5]]).unwrap();
    let names = |labels: &[Label]| labels.len();
    assert_eq!((names(&plan.operands[0].sum), names(&plan.operands[0].labels)), (2, 1));
    assert_eq!(plan.steps[0].contracted().count(), 1);
}

#[test]
fn long_chains_are_planned_greedily_without_large_intermediates() {
    let letters: Vec<char> = ('a'..='m').collect();
    let inputs: Vec<String> = letters.windows(2).map(|pair| pair.iter().collect()).collect();
    let shape: &[usize] = &[10, 10];
    let plan = plan(&format!("{}->am", inputs.join(",")), &vec![shape; inputs.len()]).unwrap();
    assert_eq!(plan.steps.len(), 11);
    assert!(plan.steps.iter().all(|step| step.out_labels.len() == 2));
}

#[test]
fn errors_name_the_string_and_the_culprit() {
    let message = |subscripts: &str, shapes: &[&[usize]]| plan(subscripts, shapes).unwrap_err().to_string();
    assert_eq!(message("i", &[]), "einsum needs at least one operand");
    assert_eq!(message("i,j->ij", &[&[2]]), "einsum `i,j->ij` has 2 terms for 1 operands");
    assert_eq!(message("i1->i", &[&[2, 2]]), "einsum `i1->i` has `1`; labels are the letters a-z and A-Z");
    assert_eq!(message("i..->i", &[&[2, 2]]), "einsum `i..->i`: `i..` has dots that are not one `...`");
    assert_eq!(message("......", &[&[2, 2]]), "einsum `......`: `......` has dots that are not one `...`");
    assert_eq!(message("i->j->k", &[&[2]]), "einsum `i->j->k` has more than one `->`, or half of one");
    assert_eq!(message("i>j", &[&[2]]), "einsum `i>j` has more than one `->`, or half of one");
    assert_eq!(
        message("ij,jk->ik", &[&[2, 3], &[3, 4, 5]]),
        "einsum `ij,jk->ik`: term `jk` does not fit operand 1 of shape [3, 4, 5]; write one label an axis, or `...`"
    );
    assert_eq!(
        message("ij,jk->ik", &[&[2, 3], &[4, 5]]),
        "einsum `ij,jk->ik`: `j` is 4 in operand 1 and 3 before"
    );
    assert_eq!(message("ii->i", &[&[1, 5]]), "einsum `ii->i`: `i` is 5 in operand 0 and 1 before");
    assert_eq!(
        message("...i,...i->...", &[&[2, 3, 4], &[5, 3, 4]]),
        "einsum `...i,...i->...`: axis -2 of `...` is 5 in operand 1 and 2 before"
    );
    assert_eq!(message("ij->ik", &[&[2, 3]]), "einsum `ij->ik`: no operand has `k` of the output");
    assert_eq!(message("ij->ii", &[&[2, 3]]), "einsum `ij->ii`: the output has `i` twice");
}
