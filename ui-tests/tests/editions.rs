//! Expansions mean the same in every edition, and need no lint to be allowed.

#[test]
fn every_edition_makes_the_same_models() -> flaxen::Result<()> {
    let names = flaxen_edition_2024::names()?;
    let expected = [
        ["Dense_0", "Sequential_0", "Small_0", "dense", "inner", "scale", "scaled"].as_slice(),
        &["Dense_0"],
        &["Dense_0", "Dense_1", "Dense_2", "dense"],
        &["Plain_0", "dense", "inner"],
    ];
    assert_eq!(names, expected.concat());
    for of_edition in
        [flaxen_edition_2015::names()?, flaxen_edition_2018::names()?, flaxen_edition_2021::names()?]
    {
        assert_eq!(of_edition, names);
    }
    Ok(())
}
