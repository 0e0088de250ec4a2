// Formula: none; an f32 element as it lies in memory.
// A workgroup owns, reads, writes: nothing. Needs: nothing.

alias One = f32;
