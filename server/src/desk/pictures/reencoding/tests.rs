use image::{Rgba, RgbaImage};

use super::*;

const MARKER: &[u8] = b"<script>alert('still here')</script>";

fn has_marker(bytes: &[u8]) -> bool {
    bytes.windows(MARKER.len()).any(|window| window == MARKER)
}

/// A small picture with different corners.
fn drawn(width: u32, height: u32) -> DynamicImage {
    RgbImage::from_fn(width, height, |x, _| if x < width / 2 { Rgb([250, 10, 10]) } else { Rgb([10, 10, 250]) }).into()
}

fn written(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn read(picture: &Picture) -> RgbImage {
    image::load_from_memory(&picture.bytes).unwrap().to_rgb8()
}

/// A JPEG with an Exif part after its first two bytes: turned by 90°, and with the marker as its maker's note.
fn with_exif(jpeg: &[u8]) -> Vec<u8> {
    let mut tiff = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0".to_vec();
    tiff.extend_from_slice(MARKER);
    let length = u16::try_from(tiff.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &tiff, &jpeg[2..]].concat()
}

/// A PNG that claims a size and has no pixels.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    png.extend(&header);
    png.extend(crc32(&header).to_be_bytes());
    png.extend(chunk(b"IDAT", &[0x78, 0x9c, 0x03, 0x00, 0x00, 0x00, 0x00, 0x01]));
    png.extend(chunk(b"IEND", &[]));
    png
}

fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [name.as_slice(), data].concat();
    [&u32::try_from(data.len()).unwrap().to_be_bytes()[..], &body, &crc32(&body).to_be_bytes()].concat()
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { (c >> 1) ^ 0xedb8_8320 } else { c >> 1 })
    })
}

fn refused(upload: &[u8]) -> String {
    let refusal = reencode_now(upload).expect_err("it was taken");
    assert_eq!(refusal.fields.first().map(|f| f.field.as_ref()), Some("picture"), "said beside the field");
    refusal.all_words()
}

#[test]
fn a_picture_of_each_kind_keeps_its_pixels() {
    for (format, media_type) in
        [(ImageFormat::Png, "image/png"), (ImageFormat::Jpeg, "image/jpeg"), (ImageFormat::WebP, "image/png")]
    {
        let upload = written(&drawn(60, 40), format);
        let picture = reencode_now(&upload).unwrap();
        assert_eq!((picture.width, picture.height, picture.media_type), (60, 40, media_type), "{format:?}");
        assert_eq!(picture.upload_sha256[..], Sha256::digest(&upload)[..]);
        let [r, _, b] = read(&picture).get_pixel(2, 2).0;
        assert!(r > 200 && b < 60, "{format:?}: red on the left");
    }
}

#[test]
fn exif_turns_the_picture_and_is_gone() {
    let upload = with_exif(&written(&drawn(60, 40), ImageFormat::Jpeg));
    assert!(has_marker(&upload));
    let picture = reencode_now(&upload).unwrap();
    assert_eq!((picture.width, picture.height), (40, 60), "turned by 90°");
    let [r, _, b] = read(&picture).get_pixel(20, 2).0;
    assert!(r > 200 && b < 60, "what was left is on top");
    assert!(!has_marker(&picture.bytes));
    assert!(!picture.bytes.windows(4).any(|w| w == b"Exif"));
}

#[test]
fn a_polyglot_loses_all_that_is_not_pixels() {
    let png = written(&drawn(60, 40), ImageFormat::Png);
    let noted = [&png[..33], &chunk(b"tEXt", &[b"Comment\0", MARKER].concat()), &png[33..]].concat();
    let jpeg = written(&drawn(60, 40), ImageFormat::Jpeg);
    let length = u16::try_from(MARKER.len() + 2).unwrap().to_be_bytes();
    let commented = [&jpeg[..2], &[0xff, 0xfe], &length, MARKER, &jpeg[2..]].concat();
    let appended = |bytes: &[u8]| [bytes, MARKER].concat();
    let webp = written(&drawn(60, 40), ImageFormat::WebP);
    for upload in [noted, commented, appended(&png), appended(&jpeg), appended(&webp)] {
        assert!(has_marker(&upload));
        let picture = reencode_now(&upload).unwrap();
        assert!(!has_marker(&picture.bytes));
        assert_eq!((picture.width, picture.height), (60, 40));
    }
}

#[test]
fn a_picture_of_30000_by_30000_is_refused_before_it_is_decoded() {
    let words = refused(&png_header(30_000, 30_000));
    assert!(words.contains("30000 × 30000") && words.contains("8000 × 8000"), "{words}");
    assert!(refused(&png_header(8_000, 8_000)).contains("50 million"));
    assert!(refused(&png_header(8_001, 10)).contains("8001 × 10"));
}

#[test]
fn what_is_cut_off_or_broken_is_refused() {
    let png = written(&drawn(60, 40), ImageFormat::Png);
    assert!(refused(&png[..png.len() / 2]).contains("cut off"));
    assert!(refused(&png[..20]).contains("cut off"));
    assert!(refused(&written(&drawn(60, 40), ImageFormat::Jpeg)[..100]).contains("cut off"));
    assert!(refused(b"\xff\xd8\xff\xe0 and then nothing").contains("cut off"));
    assert!(refused(&png_header(100, 100)).contains("cut off"), "a header without its pixels");
}

#[test]
fn other_formats_and_active_ones_are_refused() {
    assert!(refused(b"GIF89a\x01\0\x01\0\0\0\0;").contains("PNG, JPEG or WebP"));
    for other in [
        b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>".as_slice(),
        b"<?xml version=\"1.0\"?><svg/>",
        b"<!DOCTYPE html><script>alert(1)</script>",
        b"%PDF-1.7",
        b"",
        b"just words",
    ] {
        assert!(refused(other).contains("PNG, JPEG or WebP"));
    }
}

#[test]
fn eight_mebibytes_are_the_limit() {
    let mut upload = written(&drawn(60, 40), ImageFormat::Png);
    upload.resize(UPLOAD_BYTES_MAX, 0);
    assert!(reencode_now(&upload).is_ok());
    upload.push(0);
    assert!(refused(&upload).contains("8 MiB"));
}

#[test]
fn large_pictures_are_made_smaller_and_transparent_photos_get_a_white_ground() {
    let picture = reencode_now(&written(&drawn(3_000, 600), ImageFormat::Png)).unwrap();
    assert_eq!((picture.width, picture.height), (2_400, 480));
    // Noise does not compress: as PNG this would be over 2 MiB.
    let mut seed = 1_u32;
    let noise = RgbaImage::from_fn(1_000, 1_000, |x, _| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [a, b, c, _] = seed.to_be_bytes();
        Rgba([a, b, c, if x < 500 { 0 } else { 255 }])
    });
    let picture = reencode_now(&written(&noise.into(), ImageFormat::Png)).unwrap();
    assert_eq!(picture.media_type, "image/jpeg");
    assert!(read(&picture).get_pixel(100, 500).0.iter().all(|colour| *colour > 240), "white shines through");
}
