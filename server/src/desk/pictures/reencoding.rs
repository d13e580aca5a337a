//! An upload becomes pixels and the pixels a new file, within limits. Bytes in, bytes out: no desk, no waiting.

use std::io::Cursor;

use data_encoding::HEXLOWER;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, Rgb, RgbImage};
use sha2::{Digest, Sha256};

use crate::domain::Refusal;

/// What a telephone's camera makes, with room to spare.
pub const UPLOAD_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Wider or higher is no screenshot and no photo of a receipt.
pub const SIDE_PIXELS_MAX: u32 = 8_000;
/// Decoding takes four bytes a pixel, and twice that while turning it.
const PIXELS_MAX: u64 = 50_000_000;
/// All that one decoder may allocate.
const DECODER_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// The longer side of what is kept: a receipt stays readable.
const KEPT_PIXELS_MAX: u32 = 2_400;
/// A PNG bigger than this is a photo and becomes a JPEG.
const PNG_BYTES_MAX: usize = 2 * 1024 * 1024;
const JPEG_QUALITY: u8 = 85;

/// A picture that holds nothing but pixels.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// `image/png` or `image/jpeg`.
    pub media_type: &'static str,
    pub bytes: Vec<u8>,
    pub width: u32,
    pub height: u32,
    /// Of what was uploaded: evidence is named by it.
    pub upload_sha256: [u8; 32],
}

impl std::fmt::Debug for Picture {
    /// Without the pixels: they are private.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}×{}, upload {}", self.media_type, self.width, self.height, HEXLOWER.encode(&self.upload_sha256))
    }
}

/// Makes a picture of an upload, or says beside the field `picture` why not. Takes up to seconds.
pub fn reencode_now(upload: &[u8]) -> Result<Picture, Refusal> {
    if upload.len() > UPLOAD_BYTES_MAX {
        return Err(too_heavy());
    }
    let format = format_of(upload)?;
    let pixels = shrunk(decode(upload, format)?);
    let (media_type, bytes) = encode(&pixels, format)?;
    let (width, height) = (pixels.width(), pixels.height());
    Ok(Picture { media_type, bytes, width, height, upload_sha256: Sha256::digest(upload).into() })
}

/// Header first: what is too large is refused before a pixel is decoded.
fn decode(upload: &[u8], format: ImageFormat) -> Result<DynamicImage, Refusal> {
    let mut reader = ImageReader::with_format(Cursor::new(upload), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(DECODER_BYTES_MAX);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|_| unreadable())?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width).saturating_mul(height.into());
    if width > SIDE_PIXELS_MAX || height > SIDE_PIXELS_MAX || pixels > PIXELS_MAX {
        return Err(refused(format!(
            "This picture has {width} × {height} pixels. The desk takes up to {SIDE_PIXELS_MAX} × {SIDE_PIXELS_MAX} \
             and {} million in all: make it smaller, or send a screenshot of it.",
            PIXELS_MAX / 1_000_000
        )));
    }
    if width == 0 || height == 0 {
        return Err(unreadable());
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|_| unreadable())?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// By its first bytes; names and what the browser says do not count.
fn format_of(upload: &[u8]) -> Result<ImageFormat, Refusal> {
    match infer::get(upload).map(|kind| kind.mime_type()) {
        Some("image/png") => Ok(ImageFormat::Png),
        Some("image/jpeg") => Ok(ImageFormat::Jpeg),
        Some("image/webp") => Ok(ImageFormat::WebP),
        Some(other) if other.starts_with("image/") => {
            Err(refused("The desk takes pictures as PNG, JPEG or WebP; this is another kind. Send a screenshot of it."))
        }
        _ => Err(refused("The desk cannot take this as a picture. Send a PNG, JPEG or WebP of up to 8 MiB.")),
    }
}

fn shrunk(picture: DynamicImage) -> DynamicImage {
    if picture.width().max(picture.height()) <= KEPT_PIXELS_MAX {
        return picture;
    }
    picture.resize(KEPT_PIXELS_MAX, KEPT_PIXELS_MAX, FilterType::Triangle)
}

/// What is flat stays sharp as PNG; photos are JPEG.
fn encode(picture: &DynamicImage, from: ImageFormat) -> Result<(&'static str, Vec<u8>), Refusal> {
    if from != ImageFormat::Jpeg {
        let png = as_png(picture)?;
        if png.len() <= PNG_BYTES_MAX {
            return Ok(("image/png", png));
        }
    }
    let mut jpeg = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY);
    on_white(picture).write_with_encoder(encoder).map_err(|_| unreadable())?;
    Ok(("image/jpeg", jpeg))
}

/// With eight bits a colour.
fn as_png(picture: &DynamicImage) -> Result<Vec<u8>, Refusal> {
    let mut png = Cursor::new(Vec::new());
    let written = if picture.color().has_alpha() {
        picture.to_rgba8().write_to(&mut png, ImageFormat::Png)
    } else {
        picture.to_rgb8().write_to(&mut png, ImageFormat::Png)
    };
    written.map_err(|_| unreadable())?;
    Ok(png.into_inner())
}

/// A JPEG has no transparency: white shines through.
fn on_white(picture: &DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.to_rgb8();
    }
    let rgba = picture.to_rgba8();
    let mut flat = RgbImage::new(rgba.width(), rgba.height());
    for (to, from) in flat.pixels_mut().zip(rgba.pixels()) {
        let [r, g, b, alpha] = from.0;
        let mix = |colour: u8| {
            let (colour, alpha) = (u32::from(colour), u32::from(alpha));
            u8::try_from((colour * alpha + 255 * (255 - alpha)) / 255).unwrap_or(u8::MAX)
        };
        *to = Rgb([mix(r), mix(g), mix(b)]);
    }
    flat
}

fn refused(words: impl Into<String>) -> Refusal {
    Refusal::field("picture", words)
}

pub(super) fn too_heavy() -> Refusal {
    refused("This picture is bigger than 8 MiB. Send a smaller one, or a screenshot of it.")
}

pub(super) fn unreadable() -> Refusal {
    refused("This picture cannot be read: it is damaged or cut off. Send a screenshot of it.")
}

#[cfg(test)]
mod tests;
