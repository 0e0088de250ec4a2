//! What is planned for the shapes that networks use.

use super::*;

/// A line for each of what networks use: what was decided, by the measurements in benches/record and
/// by the rules of GPUs. Who decides otherwise finds here which shapes it touches.
#[test]
fn plans_are_those_of_the_table() {
    let maps = [(64, 12_544), (256, 3_136), (512, 784), (1_024, 196), (2_048, 49)];
    let maps = maps.into_iter().flat_map(|(channels, inner)| {
        [Shape::ncl(64, channels, inner), Shape::nhwc(64, inner, 1, channels)]
    });
    let rows = [(32, 64), (1_000, 7), (65_536, 64), (1_024, 4_096), (16, 1_000_000)];
    let rows = rows.into_iter().map(|(n, channels)| Shape::nc(n, channels));
    let lines = [Shape::ncl(1, 1, 1 << 26), Shape::ncl(5, 3, 1_001), Shape::ncl(31, 5, 3)];
    let shapes: Vec<Shape> = maps.chain(rows).chain(lines).collect();
    let mut table = String::new();
    for (adapter, name) in [(GPU, "GPU"), (LARGE, "software")] {
        for pass in [Pass::Training, Pass::Inference, Pass::Backward] {
            for &shape in &shapes {
                let plan = Plan::new(&adapter, shape, &Request::new(pass, &[])).unwrap();
                let step = plan.steps.last().unwrap();
                let (path, mapping) = (format!("{:?}", plan.path), format!("{:?}", plan.mapping));
                let size = format!("{}/{}", plan.workgroup, plan.lanes);
                let grid = step.workgroups.map(|n| n.to_string()).join("x");
                let (pieces, splits) = (plan.pieces.len(), step.params.splits);
                let chunk = step.params.chunk;
                let tiles = plan.mapping == Mapping::Tiles;
                let (group, kept) = (if tiles { step.params.group } else { 0 }, plan.kept);
                let (pass, shape) = (format!("{pass:?}"), shape.to_string());
                table += &format!(
                    "{name:8} {pass:9} {shape:34} {mapping:7} {:6} {path:6} {size:>7} {kept:4} \
                     {group:7} {pieces:6} {splits:6} {chunk:8} {grid:>11}\n",
                    format!("{:?}", plan.access),
                );
            }
        }
    }
    let (head, recorded) = include_str!("table.txt").split_once('\n').unwrap();
    assert!(table == recorded, "it would be:\n{head}\n{table}");
}
