//! `-o html` in a real browser without a screen: it shows something in light, in dark and on paper, says nothing on its
//! console, and its content security policy holds.

use std::collections::HashMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::common::{Node, skip};
use crate::diagnose;

/// How long a browser may take on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// The ground of the page, `--ground` of the style sheet.
const LIGHT: [u8; 3] = [0xf4, 0xf5, 0xf7];
const DARK: [u8; 3] = [0x10, 0x13, 0x17];

/// What the browser made of a page.
struct Seen {
    dom: String,
    console: Vec<String>,
    picture: Picture,
    pdf: Vec<u8>,
}

/// Pixels, row by row.
struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<[u8; 3]>,
}

impl Picture {
    fn parse(file: &[u8]) -> Self {
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut bytes).unwrap();
        let pixels = bytes[..frame.buffer_size()].chunks_exact(frame.color_type.samples());
        Self {
            width: frame.width as usize,
            height: frame.height as usize,
            pixels: pixels.map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect(),
        }
    }

    fn at(&self, x: usize, y: usize) -> [u8; 3] {
        self.pixels[y * self.width + x]
    }

    /// How often each colour is there.
    fn colours(&self) -> HashMap<[u8; 3], usize> {
        let mut colours = HashMap::new();
        for pixel in &self.pixels {
            *colours.entry(*pixel).or_default() += 1;
        }
        colours
    }
}

fn chromium() -> bool {
    let there =
        Command::new("chromium").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let there = there.is_ok_and(|status| status.success());
    if !there {
        skip("chromium is not installed: make deps");
    }
    there
}

/// Opens a page with a profile of its own, which goes with `place`.
fn look(place: &Path, page: &str, dark: bool) -> Seen {
    let file = |name: &str| -> PathBuf { place.join(name) };
    std::fs::write(file("page.html"), page).unwrap();
    let (out, err) = (file("dom"), file("log"));
    let mut browser = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--disable-dev-shm-usage", "--hide-scrollbars", "--window-size=1000,1400"])
        .args(["--enable-logging=stderr", "--no-pdf-header-footer", "--dump-dom"])
        .arg(format!("--blink-settings=preferredColorScheme={}", i32::from(!dark)))
        .arg(format!("--user-data-dir={}", file("profile").display()))
        .arg(format!("--screenshot={}", file("picture.png").display()))
        .arg(format!("--print-to-pdf={}", file("paper.pdf").display()))
        .arg(format!("file://{}", file("page.html").display()))
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&out).unwrap())
        .stderr(std::fs::File::create(&err).unwrap())
        .spawn()
        .unwrap();
    let start = Instant::now();
    let status = loop {
        match browser.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if start.elapsed() > PATIENCE => {
                let _ = browser.kill();
                let _ = browser.wait();
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let log = String::from_utf8_lossy(&std::fs::read(err).unwrap()).into_owned();
    assert!(status.is_some_and(|status| status.success()), "{status:?}\n{log}");
    Seen {
        dom: String::from_utf8(std::fs::read(out).unwrap()).unwrap(),
        console: log.lines().filter(|line| line.contains(":CONSOLE")).map(str::to_owned).collect(),
        picture: Picture::parse(&std::fs::read(file("picture.png")).unwrap()),
        pdf: std::fs::read(file("paper.pdf")).unwrap(),
    }
}

/// The share of a picture that has a colour, of a thousand.
fn share(picture: &Picture, colour: [u8; 3]) -> usize {
    let count = picture.colours().get(&colour).copied().unwrap_or_default();
    1000 * count / (picture.width * picture.height)
}

fn shows(tree: &str, words: &[&str], border: ([u8; 3], [u8; 3])) {
    if !chromium() {
        return;
    }
    let page = diagnose(&Node::of(tree), "-o html");
    for (dark, ground, border) in [(false, LIGHT, border.0), (true, DARK, border.1)] {
        let place = TempDir::new().unwrap();
        let seen = look(place.path(), &page, dark);
        assert_eq!(seen.console, Vec::<String>::new(), "{tree}");
        for words in words {
            assert!(seen.dom.contains(words), "{tree}: {words}");
        }
        let picture = &seen.picture;
        assert_eq!((picture.width, picture.height), (1000, 1400));
        // Neither blank nor one box: the ground at the edge, the verdict's border, and the many shades of text.
        assert_eq!(picture.at(2, 2), ground, "{tree}, dark: {dark}");
        assert!(share(picture, border) >= 2, "{tree}, dark: {dark}: no verdict");
        assert!(picture.colours().len() > 100, "{tree}: {} colours", picture.colours().len());
        assert!(seen.pdf.starts_with(b"%PDF-"), "{tree}");
        let pages = seen.pdf.windows(12).filter(|part| part == b"/Type /Page\n").count();
        assert!((2..=12).contains(&pages), "{tree}: {pages} pages");
    }
}

#[test]
fn an_expired_node() {
    let words = ["CANNOT START", "13 of 13 certificates expired 693 days ago", "EXPIRED 693 days ago"];
    shows("expired-all", &words, ([0xa8, 0x1c, 0x14], [0xff, 0xa1, 0x98]));
}

#[test]
fn a_node_with_many_faults() {
    let words = ["MAY NOT START", "ca-replaced", "key-mismatch", "NOT SIGNED BY"];
    shows("mixed", &words, ([0xa8, 0x1c, 0x14], [0xff, 0xa1, 0x98]));
}

#[test]
fn a_node_that_is_well() {
    let words = ["NO BLOCKING PROBLEM", "364 days left"];
    shows("rsa2048", &words, ([0x14, 0x60, 0x2f], [0x86, 0xd7, 0x9d]));
}

/// The check of the checks: had the page a script or a picture from elsewhere, the console would say so, and the
/// policy would keep both from being loaded.
#[test]
fn what_does_not_belong_there_is_refused_and_told() {
    if !chromium() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let page = diagnose(&Node::of("rsa2048"), "-o html");
    let inserted = format!(
        "<main><script>document.title = 'changed'</script><img alt=\"\" src=\"http://{address}/picture.png\">"
    );
    let page = page.replacen("<main>", &inserted, 1);
    let place = TempDir::new().unwrap();
    let seen = look(place.path(), &page, false);
    assert!(!seen.dom.contains("<title>changed"));
    assert!(seen.console.iter().any(|line| line.contains("inline script violates")), "{:?}", seen.console);
    assert!(seen.console.iter().any(|line| line.contains("picture.png' violates")), "{:?}", seen.console);
    let asked = listener.accept();
    assert!(
        asked.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock),
        "the picture was asked for"
    );
}
