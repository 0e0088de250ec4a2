//! What is in a buffer, for tests that run in a browser, too: blocking where that is possible, so that a thread that
//! waits leaves its core to a software adapter.

use wgpu_batchnorm::{BufferRange, Context};

pub async fn words(context: &Context, range: BufferRange) -> Vec<u32> {
    #[cfg(not(target_arch = "wasm32"))]
    let words = context.download_words(range);
    #[cfg(target_arch = "wasm32")]
    let words = context.download_words_async(range).await;
    words.expect("a download")
}

pub async fn values(context: &Context, range: BufferRange) -> Vec<f32> {
    words(context, range).await.into_iter().map(f32::from_bits).collect()
}
