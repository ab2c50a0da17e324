//! A strict grammar of the part of Mermaid's flowcharts that is written here: what it accepts means the same to Mermaid.
//! Text stands in double quotes and holds nothing but letters, digits, a few harmless marks and entities.

/// How many of each were drawn.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Drawn {
    pub nodes: usize,
    pub edges: usize,
    pub faulty: usize,
}

pub fn parse(text: &str) -> Result<Drawn, String> {
    let mut drawn = Drawn::default();
    let mut lines = text.lines();
    if lines.next() != Some("flowchart LR") {
        return Err("no flowchart LR".into());
    }
    let mut classes = Vec::new();
    let mut used = Vec::new();
    for line in lines {
        let wrong = |what: &str| format!("{what}: {line:?}");
        let rest = line.strip_prefix("  ").ok_or_else(|| wrong("not indented"))?;
        if let Some(style) = rest.strip_prefix("linkStyle ") {
            let (which, how) = style.split_once(' ').ok_or_else(|| wrong("linkStyle"))?;
            let edges: Result<Vec<usize>, _> = which.split(',').map(str::parse).collect();
            let edges = edges.map_err(|_| wrong("numbers of edges"))?;
            if how != "stroke:#c5221f,color:#c5221f" || edges.iter().any(|edge| *edge >= drawn.edges) {
                return Err(wrong("linkStyle"));
            }
            drawn.faulty = edges.len();
            continue;
        }
        if let Some(class) = rest.strip_prefix("classDef ") {
            let (name, colours) = class.split_once(' ').ok_or_else(|| wrong("classDef"))?;
            let parts: Vec<_> = colours.split(',').collect();
            let fits = |part: &str, name: &str| {
                let value = part.strip_prefix(name).and_then(|rest| rest.strip_prefix(":#"));
                value.is_some_and(|value| value.len() == 6 && value.chars().all(|c| c.is_ascii_hexdigit()))
            };
            if parts.len() != 3 || !["fill", "stroke", "color"].iter().zip(&parts).all(|(n, p)| fits(p, n)) {
                return Err(wrong("colours"));
            }
            classes.push(name.to_owned());
            continue;
        }
        let rest = node_id(rest, drawn.nodes).ok_or_else(|| wrong("id"))?;
        let (id, rest) = rest;
        if let Some(rest) = rest.strip_prefix(" --> ").or_else(|| rest.strip_prefix(" -.-> ")) {
            return Err(wrong(&format!("an arrow without a text: {rest}")));
        }
        let arrow = rest.strip_prefix(" -->|").or_else(|| rest.strip_prefix(" -.->|"));
        if let Some(rest) = arrow {
            let rest = quoted(rest).map_err(|why| wrong(&why))?;
            let rest = rest.strip_prefix("| ").ok_or_else(|| wrong("no end of the text"))?;
            let (to, rest) = node_id(rest, drawn.nodes).ok_or_else(|| wrong("id"))?;
            if !rest.is_empty() || id >= drawn.nodes || to >= drawn.nodes {
                return Err(wrong("an arrow to nowhere"));
            }
            drawn.edges += 1;
            continue;
        }
        let shapes = [("([", "])"), ("[[", "]]"), ("{{", "}}"), ("[", "]")];
        let (open, close) =
            shapes.iter().find(|(open, _)| rest.starts_with(open)).ok_or_else(|| wrong("shape"))?;
        let rest = quoted(&rest[open.len()..]).map_err(|why| wrong(&why))?;
        let rest = rest.strip_prefix(close).ok_or_else(|| wrong("shape"))?;
        let class = rest.strip_prefix(":::").ok_or_else(|| wrong("class"))?;
        if id != drawn.nodes || drawn.edges > 0 {
            return Err(wrong("out of order"));
        }
        used.push(class.to_owned());
        drawn.nodes += 1;
    }
    match used.iter().find(|class| !classes.contains(class)) {
        Some(class) => Err(format!("no classDef {class}")),
        None => Ok(drawn),
    }
}

/// `n17` and what follows.
fn node_id(text: &str, most: usize) -> Option<(usize, &str)> {
    let digits = text.strip_prefix('n')?;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let id = digits[..end].parse().ok()?;
    (id <= most).then_some((id, &digits[end..]))
}

/// A text in double quotes, and what follows.
fn quoted(text: &str) -> Result<&str, String> {
    let inside = text.strip_prefix('"').ok_or("no quote")?;
    let (inside, rest) = inside.split_once('"').ok_or("no closing quote")?;
    for line in inside.split("<br/>") {
        let mut chars = line.chars();
        while let Some(c) = chars.next() {
            if c == '#' {
                let entity: String = chars.by_ref().take_while(|c| *c != ';').collect();
                if !entity.parse::<u32>().is_ok_and(|code| char::from_u32(code).is_some()) {
                    return Err(format!("entity #{entity};"));
                }
            } else if !(c.is_alphanumeric() || " ./,".contains(c)) {
                return Err(format!("{c:?} in a text"));
            }
        }
    }
    Ok(rest)
}

#[test]
fn it_refuses_what_it_should() {
    let good = "flowchart LR\n  n0[\"a#34;<br/>b\"]:::ok\n  n1([\"c\"]):::ok\n  n0 -->|\"x\"| n1\n  classDef ok fill:#ffffff,stroke:#000000,color:#000000\n";
    let expected = Drawn { nodes: 2, edges: 1, faulty: 0 };
    assert_eq!(parse(good), Ok(expected));
    for (from, to) in [
        ("a#34;", "a\""),
        ("a#34;", "a]-->"),
        ("a#34;", "#quot"),
        ("a#34;", "<b>"),
        ("b\"]", "b\""),
        ("n0 -->", "n7 -->"),
        ("|\"x\"|", "|x|"),
        (":::ok", ":::no"),
        ("classDef ok", "classDef other"),
        ("  n1", "click n1 callback\n  n1"),
    ] {
        assert!(good.contains(from));
        assert!(parse(&good.replace(from, to)).is_err(), "{from} → {to}");
    }
}
