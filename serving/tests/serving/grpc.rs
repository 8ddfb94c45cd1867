//! The calls of gRPC by tonic's client, which speaks HTTP/2 by itself.

use std::sync::Arc;
use std::time::Duration;

use hyper::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;
use veilsum_serving::callers::make_key;
use veilsum_serving::messages::*;
use veilsum_serving::{Callers, Keys};

use crate::toy::{Linear, one_row};
use crate::wire::{Running, metric, settings};

async fn call<Q, A>(running: &Running, name: &str, request: Request<Q>) -> Result<Response<A>, Status>
where
    Q: prost::Message + Send + Sync + 'static,
    A: prost::Message + Default + Send + Sync + 'static,
{
    let channel: Channel = Endpoint::new(format!("http://{}", running.grpc))
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let path = PathAndQuery::try_from(format!("/inference.GRPCInferenceService/{name}")).unwrap();
    client.unary(request, path, ProstCodec::<Q, A>::default()).await
}

fn input(name: &str, datatype: &str, contents: InferTensorContents) -> InferInputTensor {
    InferInputTensor {
        name: name.to_owned(),
        datatype: datatype.to_owned(),
        shape: vec![2],
        parameters: Default::default(),
        contents: Some(contents),
    }
}

/// Two rows, in the fields of their types.
fn typed() -> ModelInferRequest {
    let (mut age, mut income, mut region) = (
        InferTensorContents::default(),
        InferTensorContents::default(),
        InferTensorContents::default(),
    );
    age.fp32_contents = vec![40.0, 21.5];
    income.fp64_contents = vec![30_000.0, f64::NAN];
    region.bytes_contents = vec![b"north".to_vec(), b"south".to_vec()];
    ModelInferRequest {
        model_name: "credit".to_owned(),
        id: "r-1".to_owned(),
        inputs: vec![
            input("age", "FP32", age),
            input("income", "FP64", income),
            input("region", "BYTES", region),
        ],
        ..Default::default()
    }
}

/// The same rows in the binary form.
fn raw() -> ModelInferRequest {
    let mut request = typed();
    for input in &mut request.inputs {
        input.contents = None;
    }
    request.raw_input_contents = vec![
        [40_f32.to_le_bytes(), 21.5_f32.to_le_bytes()].concat(),
        [30_000_f64.to_le_bytes(), f64::NAN.to_le_bytes()].concat(),
        b"\x05\0\0\0north\x05\0\0\0south".to_vec(),
    ];
    request
}

async fn infer(
    running: &Running,
    request: ModelInferRequest,
) -> Result<Response<ModelInferResponse>, Status> {
    call(running, "ModelInfer", Request::new(request)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_scored_as_by_rest() {
    let running = Running::open(vec![Arc::new(Linear::version("1", 1.0))]);
    let answer = infer(&running, typed()).await.unwrap();
    assert_eq!(answer.metadata().get("x-veilsum-model-hash").unwrap(), "5f2c0a1");
    assert_eq!(answer.metadata().get("x-veilsum-log-entry").unwrap(), "345");
    let answer = answer.into_inner();
    assert_eq!(
        (
            answer.model_name.as_str(),
            answer.model_version.as_str(),
            answer.id.as_str()
        ),
        ("credit", "1", "r-1")
    );
    let round = answer
        .parameters
        .get("round")
        .and_then(|round| round.parameter_choice.clone());
    assert_eq!(round, Some(ParameterChoice::Int64Param(12)));
    assert_eq!(answer.outputs[0].shape, [2]);
    assert_eq!(
        answer.outputs[0].contents.as_ref().unwrap().fp64_contents,
        [51.0, 12.75]
    );
    assert_eq!(
        answer.outputs[1].contents.as_ref().unwrap().bytes_contents,
        [b"high".to_vec(), b"low".to_vec()]
    );

    let answer = infer(&running, raw()).await.unwrap().into_inner();
    assert!(answer.outputs.iter().all(|output| output.contents.is_none()));
    assert_eq!(
        answer.raw_output_contents[0],
        [51_f64.to_le_bytes(), 12.75_f64.to_le_bytes()].concat()
    );
    assert_eq!(answer.raw_output_contents[1], b"\x04\0\0\0high\x03\0\0\0low");

    let mut wanted = typed();
    wanted.outputs = vec![InferRequestedOutputTensor {
        name: "label".to_owned(),
        parameters: Default::default(),
    }];
    assert_eq!(
        infer(&running, wanted).await.unwrap().into_inner().outputs.len(),
        1
    );
    let line =
        "veilsum_serving_requests_total{route=\"ModelInfer\",model=\"credit\",version=\"1\",code=\"200\"}";
    assert_eq!(metric(&running, line).await, Some(3.0));
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_and_models_are_told_of() {
    let running = Running::open(vec![
        Arc::new(Linear::version("1", 1.0)),
        Arc::new(Linear::version("2", 1.0)),
    ]);
    let live: Response<ServerLiveResponse> = call(&running, "ServerLive", Request::new(ServerLiveRequest {}))
        .await
        .unwrap();
    assert!(live.into_inner().live);
    let ready: Response<ServerReadyResponse> =
        call(&running, "ServerReady", Request::new(ServerReadyRequest {}))
            .await
            .unwrap();
    assert!(ready.into_inner().ready);
    let server: Response<ServerMetadataResponse> =
        call(&running, "ServerMetadata", Request::new(ServerMetadataRequest {}))
            .await
            .unwrap();
    assert_eq!(server.into_inner().name, "veilsum-serving");
    let ask = ModelMetadataRequest {
        name: "credit".to_owned(),
        version: String::new(),
    };
    let model: Response<ModelMetadataResponse> =
        call(&running, "ModelMetadata", Request::new(ask)).await.unwrap();
    let model = model.into_inner();
    assert_eq!(model.versions, ["1", "2"]);
    assert_eq!(
        (
            model.inputs[0].datatype.as_str(),
            model.inputs[0].shape.as_slice()
        ),
        ("FP32", [-1].as_slice())
    );
    for (version, expected) in [("2", Ok(true)), ("9", Err(Code::NotFound))] {
        let ask = ModelReadyRequest {
            name: "credit".to_owned(),
            version: version.to_owned(),
        };
        let ready: Result<Response<ModelReadyResponse>, Status> =
            call(&running, "ModelReady", Request::new(ask)).await;
        assert_eq!(
            ready
                .map(|ready| ready.into_inner().ready)
                .map_err(|status| status.code()),
            expected
        );
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_calls_get_their_codes() {
    let mut settings = settings();
    settings.max_body_bytes = 2048;
    let running = Running::with(settings, vec![Arc::new(Linear::version("1", 1.0))]);
    let changed = |change: fn(&mut ModelInferRequest)| {
        let mut request = typed();
        change(&mut request);
        request
    };
    let cases: [(ModelInferRequest, Code, &str); 10] = [
        (
            changed(|r| r.model_name = "debit".to_owned()),
            Code::NotFound,
            "no model \"debit\"",
        ),
        (
            changed(|r| r.model_version = "9".to_owned()),
            Code::NotFound,
            "no version \"9\"",
        ),
        (
            changed(|r| r.inputs[0].shape = vec![3]),
            Code::InvalidArgument,
            "found 2 elements of FP32, its shape [3] says 3",
        ),
        (
            changed(|r| r.inputs[0].datatype = "INT8".to_owned()),
            Code::InvalidArgument,
            "found elements in fp32_contents, expected those of INT8 in int_contents",
        ),
        (
            changed(|r| r.inputs[0].contents = None),
            Code::InvalidArgument,
            "found neither contents nor raw_input_contents",
        ),
        (
            changed(|r| r.inputs.truncate(2)),
            Code::InvalidArgument,
            "\"region\" is missing",
        ),
        (
            changed(|r| r.raw_input_contents = vec![vec![]]),
            Code::InvalidArgument,
            "found 1 raw_input_contents for 3 inputs",
        ),
        (
            changed(|r| r.raw_input_contents = vec![vec![]; 3]),
            Code::InvalidArgument,
            "found both contents and raw_input_contents",
        ),
        (
            changed(|r| {
                if let Some(c) = &mut r.inputs[2].contents {
                    c.bytes_contents[1] = vec![0xff];
                }
            }),
            Code::InvalidArgument,
            "element 1 (the first is 0): found no UTF-8",
        ),
        (changed(|r| r.id = "x".repeat(4096)), Code::OutOfRange, "2048"),
    ];
    for (request, code, part) in cases {
        let status = infer(&running, request).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(part), "{status}");
    }
    let unknown: Result<Response<ServerLiveResponse>, Status> = call(
        &running,
        "RepositoryModelLoad",
        Request::new(ServerLiveRequest {}),
    )
    .await;
    assert_eq!(unknown.unwrap_err().code(), Code::Unimplemented);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_and_deadlines_hold_as_by_rest() {
    let (key, lines) = make_key("desk").unwrap();
    let running = Running::start(
        settings(),
        Callers::new(Some(Keys::read(&lines).unwrap()), None),
        None,
        None,
    );
    let (model, entered, go) = Linear::held("1");
    running.serving.registry().publish(model.clone()).unwrap();
    assert_eq!(
        infer(&running, typed()).await.unwrap_err().code(),
        Code::Unauthenticated
    );
    let live: Result<Response<ServerLiveResponse>, Status> =
        call(&running, "ServerLive", Request::new(ServerLiveRequest {})).await;
    live.expect("asked without a key");

    let keyed = || {
        let mut request = Request::new(typed());
        request
            .metadata_mut()
            .insert("authorization", format!("Bearer {key}").parse().unwrap());
        request
    };
    // It is with the model until its time is over.
    let mut request = keyed();
    request.set_timeout(Duration::from_millis(50));
    let late: Result<Response<ModelInferResponse>, Status> = call(&running, "ModelInfer", request).await;
    assert!(matches!(
        late.unwrap_err().code(),
        Code::DeadlineExceeded | Code::Cancelled
    ));
    assert_eq!(entered.recv(), Ok(2));
    drop((entered, go));
    let answer: Response<ModelInferResponse> = call(&running, "ModelInfer", keyed()).await.unwrap();
    assert_eq!(answer.into_inner().outputs.len(), 2);
    // Both transports have the same models.
    let header = [("x-api-key", key.as_str())];
    let rest = running
        .post(
            "/v2/models/credit/infer",
            &header,
            one_row().to_string().as_bytes(),
        )
        .await;
    assert_eq!(rest.scores(), [51.0]);
    running.end().await;
}
