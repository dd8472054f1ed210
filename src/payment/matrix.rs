//! The square of a payment code: dark and light modules, and its picture.

use qrcodegen::{QrCode, QrCodeEcc, QrSegment, Version};

use crate::payment::swiss::{CODE_TENTHS, CROSS_TENTHS};

/// How many light modules have to stand around the square. Source: ISO/IEC 18004 §9.1.
pub const QUIET_MODULES: usize = 4;
/// How many pixels a side of a module has in a picture: large enough that a photographed screen is read.
const PIXELS_A_MODULE: usize = 6;

/// A square of modules, row by row from the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    size: usize,
    modules: Vec<bool>,
}

impl Matrix {
    /// Returns the square of a text with error correction M, `None` where it has no room in a code of `version_max`.
    pub(crate) fn of(text: &str, version_max: u8) -> Option<Self> {
        let segments = [QrSegment::make_bytes(text.as_bytes())];
        let versions = (Version::new(1), Version::new(version_max));
        // The standards say M, so nothing is boosted to a higher correction.
        let code = QrCode::encode_segments_advanced(&segments, QrCodeEcc::Medium, versions.0, versions.1, None, false).ok()?;
        let rows = 0..code.size();
        let modules = rows.clone().flat_map(|y| rows.clone().map(move |x| (x, y))).map(|(x, y)| code.get_module(x, y)).collect();
        Some(Self { size: code.size() as usize, modules })
    }

    /// Returns how many modules a side has, the quiet zone not counted.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Returns whether the module in this column and row is dark; outside the square none is.
    pub fn is_dark(&self, column: usize, row: usize) -> bool {
        column < self.size && row < self.size && self.modules[row * self.size + column]
    }

    /// Returns the square as a PNG of black and white, with its quiet zone, with a Swiss cross in its middle if asked for.
    pub(crate) fn png(&self, has_cross: bool) -> Vec<u8> {
        let side = (self.size + 2 * QUIET_MODULES) * PIXELS_A_MODULE;
        let row_bytes = side.div_ceil(8);
        let mut rows = vec![0u8; row_bytes * side];
        for y in 0..side {
            for x in 0..side {
                if self.is_light_pixel(x, y, has_cross) {
                    rows[y * row_bytes + x / 8] |= 0x80 >> (x % 8);
                }
            }
        }
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, side as u32, side as u32);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::One);
        let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&rows));
        written.expect("a row has as many bytes as its pixels need, and memory takes them");
        file
    }

    fn is_light_pixel(&self, x: usize, y: usize, has_cross: bool) -> bool {
        if has_cross && let Some(is_light) = self.cross_pixel(x, y) {
            return is_light;
        }
        let module = |pixel: usize| (pixel / PIXELS_A_MODULE).wrapping_sub(QUIET_MODULES);
        !self.is_dark(module(x), module(y))
    }

    /// Returns whether a pixel of the Swiss cross is light, `None` outside the square it stands in.
    ///
    /// Source: Swiss Implementation Guidelines QR-bill 2.3 §3.5.2: a square of 7 mm in the middle of one of 46 mm.
    fn cross_pixel(&self, x: usize, y: usize) -> Option<bool> {
        let whole = (self.size + 2 * QUIET_MODULES) * PIXELS_A_MODULE;
        // Twice the distance of the pixel's middle from the code's, to be compared with whole lengths.
        let away = |pixel: usize| (2 * pixel + 1).abs_diff(whole);
        let [white, black, bar, breadth] = CROSS_TENTHS.map(|tenths| self.size * PIXELS_A_MODULE * tenths / CODE_TENTHS);
        let (across, down) = (away(x), away(y));
        let (far, near) = (across.max(down), across.min(down));
        (far < white).then_some(far >= black || (far < bar && near < breadth))
    }
}
