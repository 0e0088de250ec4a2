//! Batch norm inside somebody else's wgpu program: their device, their buffers, their encoder;
//! forward and backward in one submit.

use wgpu_batchnorm::{
    Backward, BatchNorm, BatchNormDescriptor, Momentum, Shape, State, Training, wgpu,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // What the program has already.
    let instance = wgpu::Instance::default();
    let adapter = pollster::block_on(instance.request_adapter(&Default::default()))?;
    let (device, queue) = pollster::block_on(adapter.request_device(&Default::default()))?;
    let shape = Shape::nchw(8, 16, 32, 32);
    let [x, y, dy, dx] = ["x", "y", "dy", "dx"].map(|label| {
        let (size, usage) = (shape.elements() * 4, wgpu::BufferUsages::STORAGE);
        let label = Some(label);
        device.create_buffer(&wgpu::BufferDescriptor {
            label,
            size,
            usage,
            mapped_at_creation: false,
        })
    });

    // Once: compile, and bind a layer to its buffers.
    let bn = BatchNorm::new(&device, &BatchNormDescriptor::default())?;
    let state = State::new(&device, shape.channels());
    let training = Training { x: x.into(), y: y.into(), momentum: Momentum::Exponential(0.1) };
    let forward = bn.bind_training(&device, &state, shape, training)?;
    let backward = Backward { dy: dy.into(), dx: dx.into() };
    let backward = bn.bind_backward(&device, &forward, backward)?;

    // Each step: record among everything else.
    let mut encoder = device.create_command_encoder(&Default::default());
    forward.encode(&mut encoder);
    backward.encode(&mut encoder);
    queue.submit([encoder.finish()]);
    device.poll(wgpu::PollType::wait_indefinitely())?;
    println!("{shape}: forward and backward, one submit, on {}", adapter.get_info().name);
    Ok(())
}
