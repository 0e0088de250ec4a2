// Formula: none; strips of three chunks. No override, since arrays are as long: what indexes them takes the
// compiler time by the square of that.
// A workgroup owns, reads, writes: nothing. Needs: nothing.

const CHUNKS = 3u;
