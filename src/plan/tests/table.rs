//! What is planned for the shapes that networks use.

use super::*;

/// A line for each of what networks use: what was decided, by the measurements in benches/record and
/// by the rules of GPUs; of a tensor in pieces for the first. Who decides otherwise finds here which shapes it touches.
#[test]
fn plans_are_those_of_the_table() {
    let maps = [(64, 12_544), (256, 3_136), (512, 784), (1_024, 196), (2_048, 49)];
    let maps = maps.into_iter().flat_map(|(channels, inner)| {
        [Shape::ncl(64, channels, inner), Shape::nhwc(64, inner, 1, channels)]
    });
    let rows = [(32, 64), (1_000, 7), (50_021, 30), (65_536, 64), (1_024, 4_096), (16, 1_000_000)];
    let rows = rows.into_iter().map(|(n, channels)| Shape::nc(n, channels));
    let lines = [Shape::ncl(1, 1, 1 << 26), Shape::ncl(5, 3, 1_001), Shape::ncl(31, 5, 3)];
    let shapes: Vec<Shape> = maps.chain(rows).chain(lines).collect();
    let mut table = String::new();
    let sixteen = Adapter { cores: 16, ..LARGE };
    for (adapter, name) in [(GPU, "GPU"), (LARGE, "software"), (sixteen, "16 cores")] {
        for pass in [Pass::Training, Pass::Inference, Pass::Backward] {
            for &shape in &shapes {
                let plan = Plan::new(&adapter, shape, &Request::new(pass, &[])).unwrap();
                let size = format!("{}/{}", plan.workgroup, plan.lanes);
                let each = |of: &dyn Fn(&Step) -> String| {
                    let steps = plan.steps.iter().filter(|step| step.piece == 0);
                    let mut texts: Vec<_> = steps.map(of).collect();
                    texts.dedup();
                    texts.join(", ")
                };
                let mapping = each(&|step| format!("{:?}", step.mapping));
                let splits = each(&|step| step.params.splits.to_string());
                let units = each(&|step| step.params.units.to_string());
                let grid = each(&|step| step.workgroups.map(|n| n.to_string()).join("x"));
                let group = each(&|step| match step.mapping {
                    Mapping::Tiles | Mapping::Lines | Mapping::Runs => {
                        step.params.group.to_string()
                    }
                    _ => "0".to_string(),
                });
                let (pieces, kept) = (plan.pieces.len(), plan.kept);
                let (pass, shape) = (format!("{pass:?}"), shape.to_string());
                table += &format!(
                    "{name:8} {pass:9} {shape:34} {mapping:11} {:6} {:6} {size:>7} {kept:4} \
                     {group:>5} {pieces:6} {splits:>7} {units:>14} {grid:>16}\n",
                    format!("{:?}", plan.access),
                    format!("{:?}", plan.path),
                );
            }
        }
    }
    let (head, recorded) = include_str!("table.txt").split_once('\n').unwrap();
    assert!(table == recorded, "it would be:\n{head}\n{table}");
}
