//! A small CatTube on 127.0.0.1 that loses things.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use md5::{Digest, Md5};
use serde_json::{Value, json};

/// What becomes of one PUT of a part.
pub enum Loss {
    /// The connection ends without an answer.
    Hangup,
    /// 503.
    Busy,
    /// 403 for this URL and all that were signed before.
    Expired,
    /// It is taken, and its bytes are not those that were sent.
    Damage,
    /// The upload that the URL is for has ended.
    Gone,
}

#[derive(Default)]
pub struct State {
    pub part_size: usize,
    pub size: usize,
    pub parts: BTreeMap<usize, Vec<u8>>,
    pub losses: BTreeMap<usize, VecDeque<Loss>>,
    /// Parts that the completion finds missing, once.
    pub forgets: Vec<usize>,
    pub completed: bool,
    pub cancelled: bool,
    /// Why it was given up.
    pub abandoned: Option<String>,
    /// The reports of failed parts: number, attempt and reason.
    pub reports: Vec<(usize, usize, String)>,
    /// How often an upload may be looked at after a report before it goes on; none for never.
    pub looks_until_resumed: Option<usize>,
    /// What the next report ends in.
    pub gives_up: Option<String>,
    looks: usize,
    resumes: usize,
    /// Method and path of every request.
    pub log: Vec<String>,
    pub keys: Vec<String>,
    /// Answers to GET of the video, the last one for ever; `Null` is a 404.
    pub videos: VecDeque<Value>,
    pub events: Vec<Value>,
    signings: usize,
    valid_from: usize,
}

#[derive(Clone)]
pub struct Server {
    state: Arc<Mutex<State>>,
    pub url: String,
}

struct Request {
    method: String,
    path: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Server {
    pub fn start(part_size: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State {
            part_size,
            ..State::default()
        }));
        let server = Self { state, url };
        let handler = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let handler = handler.clone();
                thread::spawn(move || handler.serve(stream.unwrap()));
            }
        });
        server
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// How many requests began so.
    pub fn count(&self, start: &str) -> usize {
        let state = self.state();
        let log = state.log.iter();
        log.filter(|line| line.starts_with(start)).count()
    }

    /// The bytes of all parts.
    pub fn received(&self) -> Vec<u8> {
        self.state().parts.values().flatten().copied().collect()
    }

    fn serve(&self, mut stream: TcpStream) {
        let Some(request) = read(&stream) else { return };
        let Some((status, body)) = self.answer(&request) else {
            return;
        };
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let length = body.len();
        let _ = write!(
            stream,
            "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
    }

    fn answer(&self, request: &Request) -> Option<(u16, Value)> {
        let mut state = self.state();
        let route = format!("{} {}", request.method, request.path);
        state.log.push(route.clone());
        if let Some(number) = request.path.strip_prefix("/store/") {
            return state.put(number.parse().unwrap(), request);
        }
        if request.headers.get("authorization").unwrap() != "Bearer secret" {
            return Some((401, json!({"message": "Unauthorized"})));
        }
        Some(match route.as_str() {
            "POST /v1/uploads" => state.create(request),
            "GET /v1/uploads/vid_1" => (200, state.look()),
            "GET /v1/uploads/vid_1/part-urls" => (200, state.sign(&self.url, &request.query)),
            "GET /v1/uploads/vid_1/parts" => (200, state.arrived(&request.query)),
            "POST /v1/uploads/vid_1/complete" => state.complete(&request.body),
            "GET /v1/videos/vid_1" => state.video(),
            "GET /v1/videos/vid_1/timeline" => (200, state.timeline(&request.query)),
            "GET /v1/videos" => (200, state.list(&request.query)),
            "DELETE /v1/videos/vid_1" => (202, Value::Null),
            "DELETE /v1/uploads/vid_1" => (204, Value::Null),
            _ if state.looks_until_resumed.is_some() && route.ends_with("/failed") => {
                state.report(request)
            }
            _ => (404, json!({"title": "Not found", "detail": route})),
        })
    }
}

impl State {
    fn part_count(&self) -> usize {
        self.size.div_ceil(self.part_size)
    }

    fn upload(&self) -> Value {
        let state = match (self.completed, self.cancelled, &self.abandoned) {
            (true, ..) => "completed",
            (_, true, _) => "cancelled",
            (_, _, Some(_)) => "abandoned",
            _ => "open",
        };
        json!({
            "video_id": "vid_1", "state": state, "title": "t", "size_bytes": self.size,
            "part_size_bytes": self.part_size, "part_count": self.part_count(),
            "attempt": self.resumes + 1, "reason": self.abandoned,
        })
    }

    /// Each look brings a reported upload nearer to its next attempt.
    fn look(&mut self) -> Value {
        if self.looks > 0 {
            self.looks -= 1;
            if self.looks == 0 {
                self.resumes += 1;
            }
        }
        self.upload()
    }

    fn report(&mut self, request: &Request) -> (u16, Value) {
        let number = request.path.rsplit('/').nth(1).unwrap().parse().unwrap();
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let attempt = usize::try_from(body["attempt"].as_u64().unwrap()).unwrap();
        let reason = body["reason"].as_str().unwrap().to_owned();
        self.reports.push((number, attempt, reason));
        self.looks = self.looks_until_resumed.unwrap();
        self.abandoned = self.gives_up.take();
        (202, self.upload())
    }

    fn create(&mut self, request: &Request) -> (u16, Value) {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        self.size = usize::try_from(body["size_bytes"].as_u64().unwrap()).unwrap();
        if self.size == 0 {
            let detail = "size_bytes: must not be 0";
            return (400, json!({"title": "Bad request", "detail": detail}));
        }
        self.keys.push(request.headers["idempotency-key"].clone());
        (201, self.upload())
    }

    fn sign(&mut self, url: &str, query: &BTreeMap<String, String>) -> Value {
        self.signings += 1;
        let first: usize = query["first"].parse().unwrap();
        let count: usize = query["count"].parse().unwrap();
        let last = self.part_count().min(first + count - 1);
        let lacks = |number: &usize| {
            let missing_only = query
                .get("missing")
                .is_some_and(|missing| missing == "true");
            !missing_only || !self.parts.contains_key(number)
        };
        let part = |number| {
            let url = format!("{url}/store/{number}?signed={}", self.signings);
            json!({"number": number, "url": url, "size_bytes": 1})
        };
        json!({"parts": (first..=last).filter(lacks).map(part).collect::<Vec<_>>()})
    }

    fn put(&mut self, number: usize, request: &Request) -> Option<(u16, Value)> {
        let signed: usize = request.query["signed"].parse().unwrap();
        match self.losses.get_mut(&number).and_then(VecDeque::pop_front) {
            Some(Loss::Hangup) => return None,
            Some(Loss::Busy) => return Some((503, Value::Null)),
            Some(Loss::Expired) => self.valid_from = signed + 1,
            Some(Loss::Gone) => return Some((404, json!("NoSuchUpload"))),
            Some(Loss::Damage) => {
                let damaged = request.body.iter().map(|byte| byte ^ 1).collect();
                self.parts.insert(number, damaged);
                return Some((200, Value::Null));
            }
            None => {}
        }
        if signed < self.valid_from {
            return Some((403, json!("Request has expired")));
        }
        self.parts.insert(number, request.body.clone());
        Some((200, Value::Null))
    }

    /// Two parts a page.
    fn arrived(&self, query: &BTreeMap<String, String>) -> Value {
        let after: usize = query["after"].parse().unwrap();
        let parts: Vec<_> = self.parts.range(after + 1..).take(2).collect();
        let next = match parts.as_slice() {
            [_, (last, _)] => json!(last),
            _ => Value::Null,
        };
        let part = |(number, bytes): (&usize, &Vec<u8>)| json!({"number": number, "size_bytes": bytes.len(), "etag": "e"});
        json!({"parts": parts.into_iter().map(part).collect::<Vec<_>>(), "next_after": next})
    }

    fn complete(&mut self, body: &[u8]) -> (u16, Value) {
        let body: Value = serde_json::from_slice(body).unwrap();
        let stated: BTreeMap<usize, &str> = body["parts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|part| {
                let number = usize::try_from(part["number"].as_u64().unwrap()).unwrap();
                (number, part["md5"].as_str().unwrap())
            })
            .collect();
        for number in std::mem::take(&mut self.forgets) {
            self.parts.remove(&number);
        }
        let is_whole = |number: &usize| {
            let part = self.parts.get(number);
            part.is_some_and(|bytes| md5_of(bytes) == stated[number])
        };
        let missing: Vec<_> = (1..=self.part_count())
            .filter(|number| !is_whole(number))
            .collect();
        if missing.is_empty() {
            self.completed = true;
            return (202, self.upload());
        }
        let detail = "parts are missing";
        (
            409,
            json!({"title": "Conflict", "detail": detail, "missing": missing}),
        )
    }

    fn video(&mut self) -> (u16, Value) {
        let video = match self.videos.len() {
            0 => Value::Null,
            1 => self.videos[0].clone(),
            _ => self.videos.pop_front().unwrap(),
        };
        if video.is_null() {
            return (404, json!({"title": "Not found", "detail": "no video"}));
        }
        (200, video)
    }

    /// One event a page.
    fn timeline(&self, query: &BTreeMap<String, String>) -> Value {
        let at: usize = query.get("cursor").map_or(0, |at| at.parse().unwrap());
        let next = (at + 1 < self.events.len()).then(|| (at + 1).to_string());
        json!({"events": self.events.get(at).into_iter().collect::<Vec<_>>(), "next_cursor": next})
    }

    /// One video a page.
    fn list(&self, query: &BTreeMap<String, String>) -> Value {
        let at: usize = query.get("cursor").map_or(0, |at| at.parse().unwrap());
        let next = (at + 1 < self.videos.len()).then(|| (at + 1).to_string());
        json!({"videos": [self.videos[at]], "next_cursor": next})
    }
}

fn md5_of(bytes: &[u8]) -> String {
    let digest = Md5::digest(bytes);
    digest.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let method = words.next()?.to_owned();
    let target = words.next()?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let query = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut request = Request {
        method,
        path: path.to_owned(),
        query: query.collect(),
        headers: BTreeMap::new(),
        body: Vec::new(),
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        let value = value.trim().to_owned();
        request.headers.insert(name.to_lowercase(), value);
    }
    let length = request.headers.get("content-length");
    let length = length.map_or(0, |length| length.parse().unwrap());
    request.body.resize(length, 0);
    reader.read_exact(&mut request.body).ok()?;
    Some(request)
}
