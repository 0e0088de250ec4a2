// Formula: none; what a thread knows of its columns, quad by quad: a queue.
// A workgroup owns: a strip. Reads and writes: memory of each thread's own.
// Needs: strip/map.wgsl, and what is known of a quad, `Column`.
//
// Elements at places that are written out are plain variables to a compiler. One place that a loop counts to keeps
// the whole array in memory, where it is gathered lane by lane, and takes the compiler ten times as long. So
// the host writes out loops that are marked as unrolled; and what goes over a thread's quads in another loop
// works on the first pair, and then puts it at the end.

// What is known of a pair of quads.
struct Columns {
    low: Column,
    high: Column,
}

// Of the pair `k`: the quads 2k and 2k + 1. The last two are on their way to the end of the others.
var<private> columns: array<Column, 2u * PAIRS + 2u>;

// Takes the first pair off, and puts another at the end: after PAIRS of these each is at its place.
fn push(c: Columns) {
    columns[2u * PAIRS] = c.low;
    columns[2u * PAIRS + 1u] = c.high;
    for (var k = 0u; k < PAIRS; k++) { // unrolled
        columns[2u * k] = columns[2u * k + 2u];
        columns[2u * k + 1u] = columns[2u * k + 3u];
    }
}

// What was put at the end `pairs` pairs ago.
fn pushed(pairs: u32) -> Columns {
    var c: Columns;
    for (var k = 0u; k < PAIRS; k++) { // unrolled
        if k + pairs == PAIRS {
            c = Columns(columns[2u * k], columns[2u * k + 1u]);
        }
    }
    return c;
}
