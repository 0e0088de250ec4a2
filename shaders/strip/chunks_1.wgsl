// Formula: none; strips of one chunk. No override, since arrays are as long: what indexes them takes the
// compiler time by the square of that.
// A workgroup owns, reads, writes: nothing. Needs: nothing.

const CHUNKS = 1u;
