//! A pack of Voxtral Realtime, loaded. In: an opened pack. Out: what any number of streams stand on.
//!
//! The silence that every stream begins with is the same each time, so what it leaves behind is computed once, for the
//! encoder, and once for each delay, for the decoder, and kept. Streams of different delays may run at once: they take turns
//! with the decoder's weights (see [`Variant`]).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use syrinx_quant::GgufFile;
use syrinx_quant::manifest::{DECODER_FILE, ENCODER_FILE};
use syrinx_quant::realtime::layout::TOKEN_TABLE;
use syrinx_quant::shape::Realtime;

use super::condition;
use super::front::{Front, FrontState, FrontWeights};
use super::spelling::Spelling;
use super::stream::Stream;
use crate::backbone::{KvType, Rows, RowsOptions, RowsState, RowsWeights, Variant};
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::{Pool, allowed_threads};
use crate::pack::{EarsPack, Table};

/// What a decoder remembers where nobody says otherwise, in tokens: 160 s. Its cache is 106 kB per token in the released
/// model, whose own window is 655 s.
const RECALL: usize = 2000;

/// More than the silence that every stream begins with, so that all begin alike.
const LEAST_RECALL: usize = 128;

/// Weights and sizes.
#[derive(Debug)]
pub struct Recogniser {
    pub(super) shape: Realtime,
    pub(super) front: Arc<FrontWeights>,
    pub(super) spelling: Spelling,
    pub(super) pool: Pool,
    encoder: Arc<RowsWeights>,
    decoder: Arc<RowsWeights>,
    hear: Arc<GgufFile>,
    decoder_file: Arc<GgufFile>,
    kv: KvType,
    threads: usize,
    starts: Mutex<Starts>,
}

/// Where streams begin.
#[derive(Debug, Default)]
struct Starts {
    encoder: Option<Arc<EncoderStart>>,
    decoders: HashMap<usize, Arc<DecoderStart>>,
}

/// After the silence, for any delay; and the rows that it gave the decoder.
#[derive(Debug)]
pub(super) struct EncoderStart {
    pub front: FrontState,
    pub encoder: RowsState,
    pub rows: Vec<f32>,
}

/// After the silence, for one delay.
#[derive(Debug)]
pub(super) struct DecoderStart {
    pub variant: Arc<Variant>,
    pub decoder: RowsState,
}

impl Recogniser {
    /// Loads the weights. Errors: `BadPack`, `Unsupported`, `OutOfMemory`, `Backend`.
    pub fn open(pack: &EarsPack, threads: usize) -> Result<Arc<Self>> {
        let shape = Realtime::from_metadata(pack.hear())?;
        let page = pack.manifest().sample_rate_hz as usize;
        if page != shape.front.sampling_rate {
            let message = format!("pack.toml says {page} Hz, hear.gguf {} Hz", shape.front.sampling_rate);
            return Err(Error::new(ErrorKind::BadPack, format!("{message}: import the pack again")));
        }
        let (encoder, decoder) = (pack.path(ENCODER_FILE), pack.path(DECODER_FILE));
        // llama.cpp aborts on some contradictions; the bounded reader refuses a damaged file before it sees it.
        let encoder_file = GgufFile::open(&encoder)?;
        let decoder_file = Arc::new(GgufFile::open(&decoder)?);
        check_stack(&encoder_file, "granite_swa", &shape.encoder)?;
        check_stack(&decoder_file, "llama", &shape.decoder)?;
        let (encoder_outputs, vocab_size) = (encoder_file.get_u32("granite_swa.vocab_size")?, shape.text.vocab_size);
        Ok(Arc::new(Self {
            front: Arc::new(FrontWeights::open(pack.hear(), &shape)?),
            spelling: Spelling::open(&pack.tokenizer_path(), shape.text.special_ids)?,
            pool: Pool::new(threads),
            encoder: RowsWeights::open(&encoder, shape.encoder.dim, encoder_outputs as usize)?,
            decoder: RowsWeights::open(&decoder, shape.decoder.dim, vocab_size)?,
            hear: pack.hear().clone(),
            decoder_file,
            kv: if pack.manifest().recipe == "f32" { KvType::F32 } else { KvType::F16 },
            threads: allowed_threads(threads),
            starts: Mutex::default(),
            shape,
        }))
    }

    pub fn shape(&self) -> &Realtime {
        &self.shape
    }

    pub fn spelling(&self) -> &Spelling {
        &self.spelling
    }

    /// Milliseconds of a token.
    pub fn token_ms(&self) -> f64 {
        1e3 * self.shape.samples_per_token() as f64 / self.shape.front.sampling_rate as f64
    }

    /// A delay in tokens; the pack's own where none is asked for. Errors: `BadOption`.
    pub fn delay(&self, asked_ms: Option<u32>) -> Result<usize> {
        let (own, longest) = (self.shape.schedule.delay, self.shape.schedule.longest_delay);
        let Some(ms) = asked_ms else { return Ok(own) };
        let tokens = f64::from(ms) / self.token_ms();
        if tokens.fract() != 0.0 || !(1.0..=longest as f64).contains(&tokens) {
            let (least, most) = (self.token_ms(), self.token_ms() * longest as f64);
            let message = format!("a delay of {ms} ms: choose {least} to {most} ms in steps of {least}");
            return Err(Error::new(ErrorKind::BadOption, message));
        }
        Ok(tokens as usize)
    }

    /// A stream behind the silence that begins it. `recall`: tokens that the decoder remembers, no more than its window.
    /// Errors: `Backend`, `BadPack`.
    pub fn stream(self: &Arc<Self>, delay: usize, recall: Option<usize>) -> Result<Stream> {
        let mut stream = self.bare_stream(delay, recall)?;
        stream.restart()?;
        Ok(stream)
    }

    /// A stream that has heard nothing, not even silence. Errors: `Backend`, `BadPack`.
    pub fn bare_stream(self: &Arc<Self>, delay: usize, recall: Option<usize>) -> Result<Stream> {
        let window = self.shape.decoder.window;
        let recall = recall.unwrap_or(RECALL).clamp(LEAST_RECALL.min(window), window);
        let options = |window: usize, rows: usize| RowsOptions { window, rows, kv: self.kv, threads: self.threads };
        let variant = self.variant(delay)?;
        Ok(Stream::new(
            self.clone(),
            delay,
            Front::new(&self.front, &self.shape)?,
            Rows::new(&self.encoder, options(self.shape.encoder.window, self.shape.schedule.rows_per_token), None)?,
            Rows::new(&self.decoder, options(recall, 1), Some(variant.clone()))?,
            variant,
            Table::open(&self.decoder_file, TOKEN_TABLE, self.shape.text.vocab_size, self.shape.decoder.dim)?,
        ))
    }

    /// The scales of the decoder's layers for a delay, `[layers][dim]`: for comparison with a reference. Errors: `BadPack`.
    pub fn scales(&self, delay: usize) -> Result<Vec<Vec<f32>>> {
        condition::scales(&self.hear, &self.shape, delay)
    }

    /// The decoder's vectors for a delay. Errors: `BadPack`.
    fn variant(&self, delay: usize) -> Result<Arc<Variant>> {
        let starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        match starts.decoders.get(&delay) {
            Some(start) => Ok(start.variant.clone()),
            None => condition::variant(&self.hear, &self.decoder_file, &self.shape, delay).map(Arc::new),
        }
    }

    /// Where a stream begins, computed with it where that has not been done. Errors: `Backend`.
    pub(super) fn start(&self, stream: &mut Stream) -> Result<(Arc<EncoderStart>, Arc<DecoderStart>)> {
        let mut starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        let encoder = match &starts.encoder {
            Some(start) => start.clone(),
            None => starts.encoder.insert(Arc::new(stream.encoder_start()?)).clone(),
        };
        let decoder = match starts.decoders.get(&stream.delay()) {
            Some(start) => start.clone(),
            None => {
                let start = Arc::new(stream.decoder_start(&encoder.rows)?);
                starts.decoders.insert(stream.delay(), start.clone());
                start
            }
        };
        Ok((encoder, decoder))
    }
}

/// A stack's own sizes must be those of the pack's shape, or its rows would be misread.
fn check_stack(file: &GgufFile, architecture: &str, stack: &syrinx_quant::shape::realtime::Stack) -> Result<()> {
    for (key, expected) in [
        ("embedding_length", stack.dim),
        ("block_count", stack.layers),
        ("feed_forward_length", stack.hidden_dim),
        ("attention.head_count", stack.heads),
        ("attention.head_count_kv", stack.kv_heads),
        ("attention.key_length", stack.head_dim),
    ] {
        let key = format!("{architecture}.{key}");
        let found = file.get_u32(&key)? as usize;
        if found != expected {
            let message = format!("{key} is {found}, hear.gguf says {expected}");
            return Err(Error::new(ErrorKind::BadPack, format!("{message}: import the pack again")));
        }
    }
    let window = format!("{architecture}.attention.sliding_window");
    if architecture == "granite_swa" && file.get_u32(&window)? as usize != stack.window {
        let message = format!("{window} is not {}, as hear.gguf says", stack.window);
        return Err(Error::new(ErrorKind::BadPack, format!("{message}: import the pack again")));
    }
    Ok(())
}
