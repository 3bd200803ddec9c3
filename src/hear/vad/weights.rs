//! The weights of voice activity. In: the file that is part of the program. Out: matrices, opened once for all streams.

use std::sync::{Arc, OnceLock};

use syrinx_quant::Gguf;

use crate::error::{Error, ErrorKind, Result};
use crate::kernel::Matrix;

const FILE: &[u8] = include_bytes!("../../../models/silero-vad/silero-vad.gguf");

/// Nobody writes them after they are read.
#[derive(Debug)]
pub struct VadWeights {
    pub(super) frame: usize,
    /// Samples of the frame before that are seen again.
    pub(super) context: usize,
    /// Samples by which the frame's end is mirrored.
    pub(super) padding: usize,
    pub(super) hop: usize,
    /// Windows of the Fourier transform in a frame.
    pub(super) positions: usize,
    /// Real parts above imaginary parts.
    pub(super) stft: Matrix,
    pub(super) convs: Vec<Conv>,
    pub(super) hidden_dim: usize,
    /// `[4 * hidden][input + hidden]`.
    pub(super) lstm: Matrix,
    pub(super) lstm_bias: Vec<f32>,
    pub(super) output: Vec<f32>,
    pub(super) output_bias: f32,
}

/// A convolution of three taps, one position of zeros on either side, then what is negative is cut off.
#[derive(Debug)]
pub(super) struct Conv {
    /// `[out][taps * channels]`.
    pub kernel: Matrix,
    pub bias: Vec<f32>,
    pub channels: usize,
    stride: usize,
}

const TAPS: usize = 3;

impl Conv {
    /// Outputs of so many inputs.
    pub fn positions(&self, inputs: usize) -> usize {
        (inputs + 2 - TAPS) / self.stride + 1
    }

    /// The inputs, `[positions][channels]`, that an output sees.
    pub fn arrange(&self, from: &[f32], output: usize, column: &mut [f32]) {
        for (tap, to) in column.chunks_exact_mut(self.channels).enumerate() {
            let at = (output * self.stride + tap).checked_sub(1);
            match at.and_then(|at| from.get(at * self.channels..(at + 1) * self.channels)) {
                Some(from) => to.copy_from_slice(from),
                None => to.fill(0.0),
            }
        }
    }
}

impl VadWeights {
    /// The program's own, read at the first call. Errors: `OutOfMemory`; `BadPack` where the program was built with another
    /// file.
    pub fn shared() -> Result<Arc<Self>> {
        static SHARED: OnceLock<Arc<VadWeights>> = OnceLock::new();
        if let Some(weights) = SHARED.get() {
            return Ok(weights.clone());
        }
        let weights = Arc::new(Self::read(FILE)?);
        Ok(SHARED.get_or_init(|| weights).clone())
    }

    fn read(bytes: &[u8]) -> Result<Self> {
        let head = Gguf::parse(bytes)?;
        let size = |key: &str| Ok::<_, Error>(head.get_u32(&format!("silero-vad.{key}"))? as usize);
        let shape = |name: &str| -> Result<(usize, usize)> {
            match head.info(name)?.spec.shape[..] {
                [rows, columns] => Ok((rows, columns)),
                _ => Err(Error::new(ErrorKind::BadPack, format!("tensor {name} of the voice activity is no matrix"))),
            }
        };
        let matrix = |name: &str| -> Result<Matrix> {
            let (rows, columns) = shape(name)?;
            Matrix::of(head.tensor(bytes, name)?, rows, columns)
        };
        let vector = |name: &str| -> Result<Vec<f32>> { Ok(head.tensor(bytes, name)?.to_f32()?) };
        let (frame, context, padding, hop) =
            (size("frame_samples")?, size("context_samples")?, size("padding_samples")?, size("hop_samples")?);
        let stft = matrix("stft.weight")?;
        let samples = context + frame + padding;
        let mut channels = stft.rows() / 2;
        let mut convs = Vec::new();
        while head.info(&format!("conv.{}.weight", convs.len())).is_ok() {
            let name = format!("conv.{}", convs.len());
            let kernel = matrix(&format!("{name}.weight"))?;
            let conv = Conv {
                bias: vector(&format!("{name}.bias"))?,
                channels,
                stride: size(&format!("{name}.stride"))?,
                kernel,
            };
            let sound = conv.kernel.columns() == TAPS * channels && conv.bias.len() == conv.kernel.rows();
            check(sound && conv.stride > 0, &name)?;
            channels = conv.kernel.rows();
            convs.push(conv);
        }
        let lstm = matrix("lstm.weight")?;
        let hidden_dim = lstm.rows() / 4;
        check(lstm.columns() == channels + hidden_dim, "lstm.weight")?;
        check(hop > 0 && padding < frame && context <= frame && stft.columns() <= samples, "stft.weight")?;
        let output = vector("output.weight")?;
        check(output.len() == hidden_dim, "output.weight")?;
        let positions = (samples - stft.columns()) / hop + 1;
        let left = convs.iter().fold(positions, |positions, conv| conv.positions(positions));
        check(left == 1, "conv")?;
        Ok(Self {
            frame,
            context,
            padding,
            hop,
            positions,
            stft,
            convs,
            hidden_dim,
            lstm_bias: vector("lstm.bias")?,
            lstm,
            output,
            output_bias: vector("output.bias")?.first().copied().unwrap_or(0.0),
        })
    }
}

fn check(holds: bool, name: &str) -> Result<()> {
    if holds {
        return Ok(());
    }
    let message = format!("voice activity: {name} does not fit the other sizes: build from a good copy");
    Err(Error::new(ErrorKind::BadPack, message))
}
