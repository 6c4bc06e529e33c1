use super::*;

#[test]
fn every_label_is_in_the_list() {
    let source = include_str!("../observation.rs");
    let function = &source[source.find("pub fn label").unwrap()..];
    let function = &function[..function.find("\n    }\n}").unwrap()];
    let labels: Vec<_> = function.split('"').skip(1).step_by(2).collect();
    assert_eq!(labels, Fact::LABELS);
}
