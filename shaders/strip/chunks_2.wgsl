// Formula: none; strips of two chunks. No override, since arrays are as long: what indexes them takes the
// compiler time by the square of that.
// A workgroup owns, reads, writes: nothing. Needs: nothing.

const CHUNKS = 2u;
