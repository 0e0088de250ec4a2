// Formula: none; strips of two chunks (strip/map.wgsl).
// A workgroup owns, reads, writes: nothing. Needs: nothing.

const CHUNKS = 2u;
