//! The protocol over gRPC: service `inference.GRPCInferenceService`, of which everything is here but what loads and unloads models.
//!
//! The messages are structs with the published field numbers, and the six calls are told apart here by their paths; so no build needs protoc, and
//! tonic has nothing to do but framing, statuses and trailers.

mod contents;
pub mod messages;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use hyper::body::{Body, Bytes};
use hyper::{HeaderMap, Request, Response};
use time::OffsetDateTime;
use tokio::time::timeout_at;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::server::{Grpc, UnaryService};
use tonic::{Code, Status};
use tonic_prost::ProstCodec;

use self::messages as m;
use crate::batcher::OneComing;
use crate::callers::{Caller, Peer};
use crate::card::{Fact, TensorSpec};
use crate::refusal::Refusal;
use crate::registry::Served;
use crate::rest::metadata::{EXTENSIONS, NAME, PLATFORM};
use crate::room::Taken;
use crate::service::{Answered, Ask, Serving};
use crate::tensor::to_binary;

const SERVICE: &str = "/inference.GRPCInferenceService/";

type Reply<A> = Result<tonic::Response<A>, Status>;

/// Answers a call, and counts it.
pub(crate) async fn answer<B>(
    serving: &Serving,
    peer: &Peer,
    request: Request<B>,
) -> Response<tonic::body::Body>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let began = Instant::now();
    let call = &Call {
        serving,
        known: serving
            .callers()
            .known(peer, request.headers(), OffsetDateTime::now_utc()),
        until: began + serving.settings().timeout(wished(request.headers())),
        served: OnceLock::new(),
        coming: Mutex::default(),
    };
    let path = request.uri().path().to_owned();
    let (route, answer) = match path.strip_prefix(SERVICE) {
        Some("ServerLive") => (
            "ServerLive",
            call.unary(request, |_: m::ServerLiveRequest| call.live()).await,
        ),
        Some("ServerReady") => (
            "ServerReady",
            call.unary(request, |_: m::ServerReadyRequest| call.ready()).await,
        ),
        Some("ModelReady") => (
            "ModelReady",
            call.unary(request, |ask| call.model_ready(ask)).await,
        ),
        Some("ServerMetadata") => {
            let told = |_: m::ServerMetadataRequest| call.server_metadata();
            ("ServerMetadata", call.unary(request, told).await)
        }
        Some("ModelMetadata") => (
            "ModelMetadata",
            call.unary(request, |ask| call.model_metadata(ask)).await,
        ),
        Some("ModelInfer") => {
            *call.coming.lock().unwrap_or_else(PoisonError::into_inner) = Some(serving.coming());
            (
                "ModelInfer",
                call.unary(request, |ask| call.model_infer(ask)).await,
            )
        }
        _ => {
            let words = format!("there is no call {path:?}; the service is {SERVICE}");
            ("other", Status::unimplemented(words).into_http())
        }
    };
    let code = Status::from_header_map(answer.headers()).map_or(200, |status| http_of(status.code()));
    let card = call.served.get().map(|served| served.card());
    let model = card.map(|card| (card.name.as_str(), card.version.as_str()));
    serving.meters().request(route, model, code, began.elapsed());
    answer
}

/// A call of gRPC is counted by the status that REST would have answered.
fn http_of(code: Code) -> u16 {
    match code {
        Code::Ok => 200,
        Code::InvalidArgument => 400,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::NotFound => 404,
        Code::Unimplemented => 405,
        // What tonic says of a message that is longer than is taken.
        Code::OutOfRange => 413,
        Code::ResourceExhausted => 429,
        Code::Unavailable => 503,
        Code::DeadlineExceeded => 504,
        _ => 500,
    }
}

/// A function that answers a message, as tonic wants it.
struct Asked<F>(F);

impl<Q, A, F, W> UnaryService<Q> for Asked<F>
where
    F: FnMut(Q) -> W,
    W: Future<Output = Reply<A>>,
{
    type Response = A;
    type Future = W;

    fn call(&mut self, request: tonic::Request<Q>) -> W {
        (self.0)(request.into_inner())
    }
}

struct Call<'a> {
    serving: &'a Serving,
    known: Result<Caller, Refusal>,
    until: Instant,
    served: OnceLock<Arc<Served>>,
    /// Until the call is in a queue, if it is one for scores.
    coming: Mutex<Option<OneComing>>,
}

impl Call<'_> {
    async fn unary<B, Q, A, F, W>(&self, request: Request<B>, told: F) -> Response<tonic::body::Body>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: std::error::Error + Send + Sync + 'static,
        Q: prost::Message + Default + 'static,
        A: prost::Message + 'static,
        F: FnMut(Q) -> W + Send,
        W: Future<Output = Reply<A>> + Send,
    {
        let most = self.serving.settings().max_body_bytes;
        let mut grpc = Grpc::new(ProstCodec::<A, Q>::default()).max_decoding_message_size(most);
        // Until the call is answered.
        let taken = Taken::default();
        let request = request.map(|body| self.serving.room().measured(body, &taken));
        let answered = timeout_at(self.until.into(), grpc.unary(Asked(told), request)).await;
        answered
            .unwrap_or_else(|_| Status::deadline_exceeded("the time that the call had is over").into_http())
    }

    fn caller(&self) -> Result<&Caller, Status> {
        self.known.as_ref().map_err(status)
    }

    async fn live(&self) -> Reply<m::ServerLiveResponse> {
        Ok(tonic::Response::new(m::ServerLiveResponse { live: true }))
    }

    async fn ready(&self) -> Reply<m::ServerReadyResponse> {
        let ready = self.serving.is_ready();
        Ok(tonic::Response::new(m::ServerReadyResponse { ready }))
    }

    async fn model_ready(&self, ask: m::ModelReadyRequest) -> Reply<m::ModelReadyResponse> {
        self.caller()?;
        let found = self.serving.registry().find(&ask.name, named(&ask.version));
        let ready = match found {
            Ok(_) => self.serving.is_ready(),
            Err(refusal) => return Err(status(&refusal)),
        };
        Ok(tonic::Response::new(m::ModelReadyResponse { ready }))
    }

    async fn server_metadata(&self) -> Reply<m::ServerMetadataResponse> {
        self.caller()?;
        Ok(tonic::Response::new(m::ServerMetadataResponse {
            name: NAME.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            // The binary form is a field of the messages here, and the index no call of this service.
            extensions: EXTENSIONS.iter().take(1).map(|&name| name.to_owned()).collect(),
        }))
    }

    async fn model_metadata(&self, ask: m::ModelMetadataRequest) -> Reply<m::ModelMetadataResponse> {
        self.caller()?;
        let version = named(&ask.version);
        let found = self
            .serving
            .registry()
            .find(&ask.name, version)
            .map_err(|refusal| status(&refusal))?;
        let card = found.card();
        let told = |spec: &TensorSpec| m::TensorMetadata {
            name: spec.name.clone(),
            datatype: spec.datatype.name().to_owned(),
            shape: spec.shape.clone(),
        };
        Ok(tonic::Response::new(m::ModelMetadataResponse {
            name: card.name.clone(),
            versions: match version {
                Some(version) => vec![version.to_owned()],
                None => self.serving.registry().versions(&card.name),
            },
            platform: PLATFORM.to_owned(),
            inputs: card.inputs.iter().map(told).collect(),
            outputs: card.outputs.iter().map(told).collect(),
        }))
    }

    async fn model_infer(&self, request: m::ModelInferRequest) -> Reply<m::ModelInferResponse> {
        let caller = self.caller()?;
        let is_raw = !request.raw_input_contents.is_empty();
        let ask = self.ask(request).map_err(|refusal| status(&refusal))?;
        let coming = self.coming.lock().unwrap_or_else(PoisonError::into_inner).take();
        let coming = coming.unwrap_or_else(|| self.serving.coming());
        let answered = self.serving.infer(caller, ask, coming, &self.served).await;
        let answered = answered.and_then(|answered| written(answered, is_raw));
        answered.map_err(|refusal| status(&refusal))
    }

    fn ask(&self, request: m::ModelInferRequest) -> Result<Ask, Refusal> {
        let limits = self.serving.settings().limits();
        let raw = &request.raw_input_contents;
        if !raw.is_empty() && raw.len() != request.inputs.len() {
            let words = format!(
                "found {} raw_input_contents for {} inputs",
                raw.len(),
                request.inputs.len()
            );
            return Err(Refusal::invalid(words));
        }
        let mut tensors = Vec::with_capacity(request.inputs.len());
        for (at, input) in request.inputs.into_iter().enumerate() {
            let raw = raw.get(at).map(Vec::as_slice);
            tensors.push(contents::read(input, raw, limits)?);
        }
        let routing_key = match request
            .parameters
            .get("routing_key")
            .map(|parameter| &parameter.parameter_choice)
        {
            None => None,
            Some(Some(m::ParameterChoice::StringParam(key))) => Some(key.clone()),
            Some(_) => return Err(Refusal::invalid("the parameter routing_key must be a text")),
        };
        Ok(Ask {
            model: request.model_name,
            version: Some(request.model_version).filter(|version| !version.is_empty()),
            id: Some(request.id),
            routing_key,
            tensors,
            outputs: request.outputs.into_iter().map(|output| output.name).collect(),
            until: self.until,
        })
    }
}

fn named(version: &str) -> Option<&str> {
    Some(version).filter(|version| !version.is_empty())
}

/// An answer has the form of its request: raw contents for raw ones.
fn written(answered: Answered, is_raw: bool) -> Result<tonic::Response<m::ModelInferResponse>, Refusal> {
    let card = answered.served.card();
    let mut outputs = Vec::with_capacity(answered.outputs.len());
    let mut raw_output_contents = Vec::new();
    for output in answered.outputs {
        let shape = output
            .shape
            .iter()
            .map(|&length| i64::try_from(length).unwrap_or(i64::MAX))
            .collect();
        let datatype = output.data.datatype().name().to_owned();
        let contents = if is_raw {
            raw_output_contents.push(to_binary(&output.data)?);
            None
        } else {
            Some(contents::written(output.data))
        };
        outputs.push(m::InferOutputTensor {
            name: output.name,
            datatype,
            shape,
            parameters: Default::default(),
            contents,
        });
    }
    let choice = |fact: Fact<'_>| match fact {
        Fact::Text(text) => m::ParameterChoice::StringParam(text.to_owned()),
        Fact::Number(number) => m::ParameterChoice::Int64Param(i64::try_from(number).unwrap_or(i64::MAX)),
    };
    let parameter = |fact| m::InferParameter {
        parameter_choice: Some(choice(fact)),
    };
    let facts = card.provenance.facts();
    let mut response = tonic::Response::new(m::ModelInferResponse {
        model_name: card.name.clone(),
        model_version: card.version.clone(),
        id: answered.id,
        parameters: facts
            .into_iter()
            .map(|(name, fact)| (name.to_owned(), parameter(fact)))
            .collect(),
        outputs,
        raw_output_contents,
    });
    let provenance = &card.provenance;
    let mut tell = |name: &'static str, text: Option<String>| {
        if let Some(value) = text.and_then(|text| MetadataValue::try_from(text).ok()) {
            response.metadata_mut().insert(name, value);
        }
    };
    tell("x-veilsum-model-hash", provenance.model_hash.clone());
    tell("x-veilsum-round", provenance.round.map(|round| round.to_string()));
    tell(
        "x-veilsum-log-entry",
        provenance.log_entry.map(|entry| entry.to_string()),
    );
    Ok(response)
}

fn status(refusal: &Refusal) -> Status {
    let mut metadata = MetadataMap::new();
    if let Some(seconds) = refusal.retry_seconds() {
        metadata.insert("retry-after", MetadataValue::from(seconds));
    }
    Status::with_metadata(refusal.kind.grpc(), refusal.words.clone(), metadata)
}

/// The time that a call gives itself: up to eight digits and a unit (gRPC over HTTP2, `grpc-timeout`). What is not of that form is left aside, as
/// the protocol lets servers do.
fn wished(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hyper::HeaderMap;

    use super::wished;

    #[test]
    fn a_timeout_has_digits_and_a_unit() {
        for (text, expected) in [
            ("2H", Some(Duration::from_secs(7200))),
            ("90S", Some(Duration::from_secs(90))),
            ("99999999m", Some(Duration::from_millis(99_999_999))),
            ("7n", Some(Duration::from_nanos(7))),
            ("", None),
            ("S", None),
            ("123456789S", None),
            ("-1S", None),
            ("1é", None),
            ("1s", None),
        ] {
            let mut headers = HeaderMap::new();
            let value = hyper::header::HeaderValue::from_bytes(text.as_bytes()).expect("a value");
            headers.insert("grpc-timeout", value);
            assert_eq!(wished(&headers), expected, "{text}");
        }
    }
}
