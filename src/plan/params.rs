//! The parameter block, as the kernels see it.

/// The parameter block of a dispatch: `Params` of shaders/params.wgsl, field by field.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[allow(missing_docs)]
pub struct Params {
    pub outer: u32,
    pub channels: u32,
    pub period: u32,
    pub inner: u32,
    pub outer_stride: u32,
    pub first_channel: u32,
    pub row_stride: u32,
    pub x_at: u32,
    pub y_at: u32,
    pub dy_at: u32,
    pub dx_at: u32,
    pub residual_at: u32,
    pub dresidual_at: u32,
    pub weights_at: u32,
    pub first_position: u32,
    pub weight_span: u32,
    pub lanes: u32,
    pub units: u32,
    pub splits: u32,
    pub first_slot: u32,
    pub slots: u32,
    pub group: u32,
    pub channel_step: u32,
    pub column_step: u32,
    pub step_at: u32,
    pub step_inner: u32,
    pub flags: u32,
    pub epsilon: f32,
    pub momentum: f32,
    pub count: f32,
    pub slope: f32,
    pub part: u32,
    pub half_word: u32,
}

// Bits of `Params::flags`, as in shaders/params.wgsl.
pub(crate) const FLAG_GAMMA: u32 = 1;
pub(crate) const FLAG_BETA: u32 = 2;
pub(crate) const FLAG_TRACK: u32 = 4;
pub(crate) const FLAG_CUMULATIVE: u32 = 8;
pub(crate) const FLAG_UNBIASED: u32 = 16;
pub(crate) const FLAG_RECORD: u32 = 32;
pub(crate) const FLAG_ACCUMULATE: u32 = 64;
