//! Papers as pictures: drawn by poppler, another program than the one that wrote them, and held against those committed.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How fine the pictures are, in dots to the inch.
const DOTS: &str = "60";
/// How fine they are where a code is read in them.
const CODE_DOTS: &str = "150";
/// By how much a pixel may differ, of 255: fonts are smoothed a little otherwise by other releases.
const SHADE_MAX: u8 = 64;
/// How many shades of a page may differ by more, in hundredths of a per cent.
const PIXELS_MAX: usize = 20;

/// A picture, its pixels in red, green and blue.
#[derive(PartialEq, Eq)]
pub struct Picture {
    width: usize,
    shades: Vec<u8>,
}

impl Picture {
    fn read(path: &Path) -> Option<Self> {
        let mut reader = png::Decoder::new(BufReader::new(File::open(path).ok()?)).read_info().ok()?;
        let mut shades = vec![0; reader.output_buffer_size()?];
        let info = reader.next_frame(&mut shades).ok()?;
        assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight));
        shades.truncate(info.buffer_size());
        Some(Self { width: info.width as usize, shades })
    }

    /// Returns how many shades are otherwise, of ten thousand; all where the sizes differ.
    fn differing(&self, other: &Self) -> usize {
        if self.width != other.width || self.shades.len() != other.shades.len() {
            return 10_000;
        }
        let pairs = self.shades.iter().zip(&other.shades);
        pairs.filter(|(own, other)| own.abs_diff(**other) > SHADE_MAX).count() * 10_000 / self.shades.len()
    }
}

/// Returns what the payment code on the first page of a PDF says.
pub fn scanned(pdf: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let page = Picture::read(&drawn(pdf, "scanned", CODE_DOTS, folder.path())[0]).unwrap();
    let shade = |x: usize, y: usize| page.shades[(y * page.width + x) * 3];
    let mut picture = rqrr::PreparedImage::prepare_from_greyscale(page.width, page.shades.len() / page.width / 3, shade);
    picture.detect_grids()[0].decode().unwrap().1
}

/// Draws every page of a PDF into `folder` and returns the pictures' paths in their order.
fn drawn(pdf: &[u8], name: &str, dots: &str, folder: &Path) -> Vec<PathBuf> {
    let file = folder.join("paper.pdf");
    fs::write(&file, pdf).unwrap();
    let status = Command::new("pdftoppm").args(["-r", dots, "-png"]).arg(&file).arg(folder.join(name)).status();
    assert!(status.expect("pdftoppm of poppler-utils").success());
    let mut pictures: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    pictures.retain(|path| path.extension().is_some_and(|ending| ending == "png"));
    pictures.sort();
    pictures
}

/// Compares every page of a PDF with the committed pictures, or writes them when asked to.
pub fn assert_looks_as_before(name: &str, pdf: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let pages = drawn(pdf, name, DOTS, folder.path());
    for page in pages {
        let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pictures/papers").join(page.file_name().unwrap());
        if std::env::var_os("DUNLIN_BLESS").is_some_and(|value| value == "1") {
            fs::create_dir_all(committed.parent().unwrap()).unwrap();
            fs::copy(&page, &committed).unwrap();
        }
        let before = Picture::read(&committed).unwrap_or_else(|| panic!("{} is not there", committed.display()));
        let differing = Picture::read(&page).unwrap().differing(&before);
        assert!(differing <= PIXELS_MAX, "{differing} of 10,000 pixels of {} look otherwise", committed.display());
    }
}
