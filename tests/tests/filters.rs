//! Filters as sets of collections.

use flaxen::prelude::*;
use flaxen::variables::group_collections;

fn filter(text: &str) -> Filter {
    flaxen_tests::scenarios::filter(text).unwrap()
}

fn variables() -> Variables {
    let numbered = |number: i32| Dict::from([("A", number), ("B", number + 1)]);
    Variables::from([("params", numbered(1)), ("batch_stats", numbered(3)), ("cache", numbered(5))])
}

#[test]
fn filters_are_sets_whatever_they_are_written_as() {
    let texts = ["False", "True", "'a'", "['a', 'b']", "[]", "DenyList('a')", "DenyList(['a', 'b'])"];
    let filters = texts.map(filter);
    for a in &filters {
        assert_eq!(a.complement().complement(), *a);
        assert_eq!(a.union(a.complement()), Filter::all());
        assert_eq!(a.intersect(a.complement()), Filter::none());
        for b in &filters {
            assert_eq!(a.union(b), b.union(a));
            assert_eq!(a.intersect(b), b.intersect(a));
            assert_eq!(a.subtract(b), a.intersect(b.complement()));
            assert_eq!(a.union(b).complement(), a.complement().intersect(b.complement()));
        }
    }
    assert_eq!(filter("False"), filter("[]"));
    assert_eq!(filter("DenyList(False)"), filter("True"));
}

#[test]
fn a_deny_list_of_a_deny_list_accepts_what_the_inner_one_denies() {
    assert_eq!(Filter::from(DenyList(DenyList("a"))), "a".into());
    assert_eq!(Filter::from(DenyList(DenyList(DenyList(["a", "b"])))), DenyList(["b", "a"]).into());
    assert_eq!(Filter::from(DenyList(DenyList(true))), true.into());
    assert_eq!(Filter::from(DenyList(Filter::from("a"))), DenyList("a").into());
}

#[test]
fn names_come_as_any_text_or_list() {
    let names = ["a".to_owned(), "b".to_owned()];
    for filter in
        [Filter::from(names.clone()), names.to_vec().into(), names[..].into(), ["a", "b"][..].into()]
    {
        assert_eq!(filter, ["b", "a"].into());
    }
    assert_eq!(Filter::from("a".to_owned()), Filter::from(&Filter::from("a")));
}

#[test]
fn a_filter_accepts_whole_names_only() {
    let filter = Filter::from(["params"]);
    assert!(
        filter.accepts("params")
            && !filter.accepts("param")
            && !filter.accepts("params_axes")
            && !filter.accepts("")
    );
}

#[test]
fn a_collection_goes_to_the_first_filter_that_accepts_it() {
    let all = variables();
    let (params, rest) = all.pop("params").unwrap();
    let params = Variables::from([("params", params)]);
    assert_eq!(group_collections(&all, &["params".into(), true.into()]), [params.clone(), rest.clone()]);
    assert_eq!(group_collections(&all, &[true.into(), "params".into()]), [all.clone(), Variables::new()]);
    let twice = group_collections(&all, &["params".into(), "params".into()]);
    assert_eq!(twice, [params.clone(), Variables::new()]);
    let by_denial = group_collections(&all, &[DenyList("params").into(), false.into(), true.into()]);
    assert_eq!(by_denial, [rest, Variables::new(), params]);
    assert_eq!(group_collections(&all, &[]), []);
    assert_eq!(group_collections(&all, &["missing".into()]), [Variables::new()]);
}

#[test]
fn filtered_variables_share_the_collections_they_keep() {
    let all = variables();
    let kept = all.filtered(DenyList(["params"]));
    assert_eq!(kept.collections().collect::<Vec<_>>(), ["batch_stats", "cache"]);
    assert_eq!(kept.collection("cache"), all.collection("cache"));
    let address = |from: &Variables| from.tensor("cache/A").unwrap().array().unwrap().address();
    assert_eq!(address(&kept), address(&all));
    assert_eq!(all.filtered(true), all);
    assert!(all.filtered(false).is_empty());
}
