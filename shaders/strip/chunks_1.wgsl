// Formula: none; strips of one chunk (strip/map.wgsl).
// A workgroup owns, reads, writes: nothing. Needs: nothing.

const CHUNKS = 1u;
