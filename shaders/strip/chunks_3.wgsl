// Formula: none; strips of three chunks (strip/map.wgsl).
// A workgroup owns, reads, writes: nothing. Needs: nothing.

const CHUNKS = 3u;
