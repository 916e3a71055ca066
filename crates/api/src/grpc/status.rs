//! Errors as gRPC has them.

use std::collections::HashMap;

use http::StatusCode;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::error::{ApiError, DOMAIN, Detail};

impl From<ApiError> for Status {
    fn from(error: ApiError) -> Self {
        let mut details = ErrorDetails::new();
        for detail in error.details {
            match detail {
                Detail::Info { reason, known } => {
                    details.set_error_info(reason, DOMAIN, known.into_iter().collect::<HashMap<_, _>>());
                }
                Detail::Resource { kind, name } => {
                    details.set_resource_info(kind, name, "", &error.message);
                }
                Detail::Field(field) => {
                    details.add_bad_request_violation(field, &error.message);
                }
            }
        }
        if let Some(after) = error.retry_after {
            details.set_retry_info(Some(after));
        }
        Self::with_error_details(code_of(error.status, error.code), error.message, details)
    }
}

/// The code for an error of the API.
fn code_of(status: StatusCode, code: &str) -> Code {
    match code {
        "ERR_STATE_STORE_NOT_CONFIGURED"
        | "ERR_LOCK_STORE_NOT_CONFIGURED"
        | "ERR_PUBSUB_NOT_CONFIGURED"
        | "ERR_SECRET_STORES_NOT_CONFIGURED"
        | "ERR_CONFIGURATION_STORE_NOT_CONFIGURED" => Code::FailedPrecondition,
        "ERR_SECRET_STORE_NOT_FOUND" => Code::InvalidArgument,
        "ERR_NOT_SUPPORTED_STATE_OPERATION" => Code::Unimplemented,
        _ => from_http(status),
    }
}

/// The code for a status of HTTP, as Dapr and grpc-gateway have it.
pub(super) fn from_http(status: StatusCode) -> Code {
    match status {
        StatusCode::BAD_REQUEST => Code::InvalidArgument,
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => Code::DeadlineExceeded,
        StatusCode::CONFLICT => Code::Aborted,
        StatusCode::PRECONDITION_FAILED => Code::FailedPrecondition,
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::TOO_MANY_REQUESTS => Code::ResourceExhausted,
        StatusCode::NOT_IMPLEMENTED => Code::Unimplemented,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        status if status.is_server_error() => Code::Internal,
        status if status.is_client_error() => Code::InvalidArgument,
        _ => Code::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_the_rich_shape_tells() {
        let error =
            ApiError::malformed("no").rich("DAPR_X", &[("appID", "a")]).about("state", "s").in_field("k");
        let status = Status::from(error);
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "no"));
        let details = status.get_error_details();
        let info = details.error_info().expect("why");
        assert_eq!((&*info.reason, &*info.domain, &*info.metadata["appID"]), ("DAPR_X", DOMAIN, "a"));
        assert_eq!(details.resource_info().expect("what").resource_name, "s");
        assert_eq!(details.bad_request().expect("where").field_violations[0].field, "k");
    }

    #[test]
    fn a_lost_race_is_aborted_and_a_missing_block_a_precondition() {
        let code = |status, code| code_of(StatusCode::from_u16(status).expect("a status"), code);
        assert_eq!(code(409, "ERR_STATE_SAVE"), Code::Aborted);
        assert_eq!(code(500, "ERR_STATE_TRANSACTION"), Code::Internal);
        assert_eq!(code(500, "ERR_STATE_STORE_NOT_CONFIGURED"), Code::FailedPrecondition);
        assert_eq!(code(400, "ERR_NOT_SUPPORTED_STATE_OPERATION"), Code::Unimplemented);
    }
}
