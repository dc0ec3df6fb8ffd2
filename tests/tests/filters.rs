//! Filters as sets of collections, against Flax's algebra.

use flaxen::prelude::*;
use flaxen::variables::group_collections;
use flaxen_tests::golden::Case;

/// The filter that the golden case writes as this text.
fn filter(text: &str) -> Filter {
    match text {
        "False" => false.into(),
        "True" => true.into(),
        "'a'" => "a".into(),
        "['a', 'b']" => ["a", "b"].into(),
        "[]" => Vec::<String>::new().into(),
        "DenyList('a')" => DenyList("a").into(),
        "DenyList(['a', 'b'])" => DenyList(["a", "b"]).into(),
        "DenyList(False)" => DenyList(false).into(),
        "DenyList(True)" => DenyList(true).into(),
        other => panic!("unknown filter {other}"),
    }
}

/// Which of `a`, `b`, `c` and `d` are accepted.
fn accepted(filter: &Filter) -> String {
    ["a", "b", "c", "d"].into_iter().filter(|name| filter.accepts(name)).collect()
}

fn rows() -> Vec<serde_json::Value> {
    Case::load("collection_scenarios").expect()["filter_algebra"].as_array().unwrap().clone()
}

fn variables() -> Variables {
    let numbered = |number: i32| Dict::from([("A", number), ("B", number + 1)]);
    Variables::from([("params", numbered(1)), ("batch_stats", numbered(3)), ("cache", numbered(5))])
}

#[test]
fn every_kind_of_filter_accepts_what_flaxs_does() {
    let rows: Vec<_> = rows().into_iter().filter(|row| row["filter"].is_string()).collect();
    assert_eq!(rows.len(), 9);
    for row in rows {
        let text = row["filter"].as_str().unwrap();
        assert_eq!(accepted(&filter(text)), row["in_abcd"], "{text}");
    }
}

#[test]
fn union_intersection_and_subtraction_are_those_of_flax() {
    let rows: Vec<_> = rows().into_iter().filter(|row| row["a"].is_string()).collect();
    assert_eq!(rows.len(), 81);
    for row in rows {
        let (a, b) = (filter(row["a"].as_str().unwrap()), filter(row["b"].as_str().unwrap()));
        assert_eq!(accepted(&a.union(&b)), row["union"], "{row}");
        assert_eq!(accepted(&a.intersect(&b)), row["intersect"], "{row}");
        assert_eq!(accepted(&a.subtract(&b)), row["subtract"], "{row}");
    }
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
