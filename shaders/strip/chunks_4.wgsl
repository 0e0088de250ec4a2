// Formula: none; strips of four chunks (strip/map.wgsl).
// A workgroup owns, reads, writes: nothing. Needs: nothing.

const CHUNKS = 4u;
