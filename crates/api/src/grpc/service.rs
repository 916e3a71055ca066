//! Dapr's service, method by method: what is served, and by whom, and what is not.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use dapr::dapr::proto::common::v1 as common;
use dapr::dapr::proto::runtime::v1;
use dapr::dapr::proto::runtime::v1::dapr_server::Dapr;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status, Streaming};

use super::calls::{self, Calls};
use super::subscribe;
use crate::bindings::grpc as bindings;
use crate::configuration::grpc as configuration;
use crate::jobs::grpc as jobs;
use crate::lock::grpc as lock;
use crate::metadata::grpc as metadata;
use crate::publish::grpc as publish;
use crate::secrets::grpc as secrets;
use crate::server::Blocks;
use crate::state::grpc as state;

/// What answers an app's requests.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) blocks: Arc<Blocks>,
    pub(crate) calls: Calls,
    pub(crate) watches: configuration::Open,
}

/// What the generated trait wants of a method.
type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send + 'a>>;

/// Methods that a function answers.
macro_rules! served {
    ($($method:ident($request:ty) -> $response:ty = $function:path;)*) => {$(
        fn $method<'a, 'future>(&'a self, request: Request<$request>) -> Answer<'future, $response>
        where
            'a: 'future,
            Self: 'future,
        {
            Box::pin(async move { Ok(Response::new($function(self, request).await?)) })
        }
    )*};
}

/// Methods that say they are not here: SDKs fall back on others then.
macro_rules! not_served {
    ($($method:ident($request:ty) -> $response:ty;)*) => {$(
        fn $method<'a, 'future>(&'a self, _request: Request<$request>) -> Answer<'future, $response>
        where
            'a: 'future,
            Self: 'future,
        {
            Box::pin(async { Err(Status::unimplemented(concat!(stringify!($method), " is not served"))) })
        }
    )*};
}

impl Dapr for Service {
    type SubscribeTopicEventsAlpha1Stream = BoxStream<v1::SubscribeTopicEventsResponseAlpha1>;
    type SubscribeConfigurationAlpha1Stream = BoxStream<v1::SubscribeConfigurationResponse>;
    type SubscribeConfigurationStream = BoxStream<v1::SubscribeConfigurationResponse>;
    type EncryptAlpha1Stream = BoxStream<v1::EncryptResponse>;
    type DecryptAlpha1Stream = BoxStream<v1::DecryptResponse>;

    served! {
        subscribe_topic_events_alpha1(Streaming<v1::SubscribeTopicEventsRequestAlpha1>) -> Self::SubscribeTopicEventsAlpha1Stream = subscribe::subscribe;
        invoke_service(v1::InvokeServiceRequest) -> common::InvokeResponse = calls::invoke_service;
        get_state(v1::GetStateRequest) -> v1::GetStateResponse = state::get_state;
        get_bulk_state(v1::GetBulkStateRequest) -> v1::GetBulkStateResponse = state::get_bulk_state;
        save_state(v1::SaveStateRequest) -> () = state::save_state;
        delete_state(v1::DeleteStateRequest) -> () = state::delete_state;
        delete_bulk_state(v1::DeleteBulkStateRequest) -> () = state::delete_bulk_state;
        execute_state_transaction(v1::ExecuteStateTransactionRequest) -> () = state::execute_state_transaction;
        publish_event(v1::PublishEventRequest) -> () = publish::publish_event;
        bulk_publish_event_alpha1(v1::BulkPublishRequest) -> v1::BulkPublishResponse = publish::bulk_publish_event;
        bulk_publish_event(v1::BulkPublishRequest) -> v1::BulkPublishResponse = publish::bulk_publish_event;
        try_lock_alpha1(v1::TryLockRequest) -> v1::TryLockResponse = lock::try_lock;
        unlock_alpha1(v1::UnlockRequest) -> v1::UnlockResponse = lock::unlock;
        get_metadata(v1::GetMetadataRequest) -> v1::GetMetadataResponse = metadata::get_metadata;
        set_metadata(v1::SetMetadataRequest) -> () = metadata::set_metadata;
        schedule_job(v1::ScheduleJobRequest) -> v1::ScheduleJobResponse = jobs::schedule_job;
        schedule_job_alpha1(v1::ScheduleJobRequest) -> v1::ScheduleJobResponse = jobs::schedule_job;
        get_job(v1::GetJobRequest) -> v1::GetJobResponse = jobs::get_job;
        get_job_alpha1(v1::GetJobRequest) -> v1::GetJobResponse = jobs::get_job;
        delete_job(v1::DeleteJobRequest) -> v1::DeleteJobResponse = jobs::delete_job;
        delete_job_alpha1(v1::DeleteJobRequest) -> v1::DeleteJobResponse = jobs::delete_job;
        list_jobs(v1::ListJobsRequest) -> v1::ListJobsResponse = jobs::list_jobs;
        list_jobs_alpha1(v1::ListJobsRequestAlpha1) -> v1::ListJobsResponseAlpha1 = jobs::list_jobs_alpha1;
        delete_jobs_by_prefix(v1::DeleteJobsByPrefixRequest) -> v1::DeleteJobsByPrefixResponse = jobs::delete_jobs_by_prefix;
        delete_jobs_by_prefix_alpha1(v1::DeleteJobsByPrefixRequestAlpha1) -> v1::DeleteJobsByPrefixResponseAlpha1 = jobs::delete_jobs_by_prefix_alpha1;
        get_secret(v1::GetSecretRequest) -> v1::GetSecretResponse = secrets::get_secret;
        get_bulk_secret(v1::GetBulkSecretRequest) -> v1::GetBulkSecretResponse = secrets::get_bulk_secret;
        invoke_binding(v1::InvokeBindingRequest) -> v1::InvokeBindingResponse = bindings::invoke_binding;
        get_configuration(v1::GetConfigurationRequest) -> v1::GetConfigurationResponse = configuration::get_configuration;
        get_configuration_alpha1(v1::GetConfigurationRequest) -> v1::GetConfigurationResponse = configuration::get_configuration;
        subscribe_configuration(v1::SubscribeConfigurationRequest) -> Self::SubscribeConfigurationStream = configuration::subscribe_configuration;
        subscribe_configuration_alpha1(v1::SubscribeConfigurationRequest) -> Self::SubscribeConfigurationAlpha1Stream = configuration::subscribe_configuration;
        unsubscribe_configuration(v1::UnsubscribeConfigurationRequest) -> v1::UnsubscribeConfigurationResponse = configuration::unsubscribe_configuration;
        unsubscribe_configuration_alpha1(v1::UnsubscribeConfigurationRequest) -> v1::UnsubscribeConfigurationResponse = configuration::unsubscribe_configuration;
    }

    not_served! {
        query_state_alpha1(v1::QueryStateRequest) -> v1::QueryStateResponse;
        register_actor_timer(v1::RegisterActorTimerRequest) -> ();
        unregister_actor_timer(v1::UnregisterActorTimerRequest) -> ();
        register_actor_reminder(v1::RegisterActorReminderRequest) -> ();
        unregister_actor_reminder(v1::UnregisterActorReminderRequest) -> ();
        unregister_actor_reminders_by_type(v1::UnregisterActorRemindersByTypeRequest) -> v1::UnregisterActorRemindersByTypeResponse;
        list_actor_reminders(v1::ListActorRemindersRequest) -> v1::ListActorRemindersResponse;
        get_actor_state(v1::GetActorStateRequest) -> v1::GetActorStateResponse;
        get_actor_reminder(v1::GetActorReminderRequest) -> v1::GetActorReminderResponse;
        execute_actor_state_transaction(v1::ExecuteActorStateTransactionRequest) -> ();
        invoke_actor(v1::InvokeActorRequest) -> v1::InvokeActorResponse;
        encrypt_alpha1(Streaming<v1::EncryptRequest>) -> Self::EncryptAlpha1Stream;
        decrypt_alpha1(Streaming<v1::DecryptRequest>) -> Self::DecryptAlpha1Stream;
        subtle_get_key_alpha1(v1::SubtleGetKeyRequest) -> v1::SubtleGetKeyResponse;
        subtle_encrypt_alpha1(v1::SubtleEncryptRequest) -> v1::SubtleEncryptResponse;
        subtle_decrypt_alpha1(v1::SubtleDecryptRequest) -> v1::SubtleDecryptResponse;
        subtle_wrap_key_alpha1(v1::SubtleWrapKeyRequest) -> v1::SubtleWrapKeyResponse;
        subtle_unwrap_key_alpha1(v1::SubtleUnwrapKeyRequest) -> v1::SubtleUnwrapKeyResponse;
        subtle_sign_alpha1(v1::SubtleSignRequest) -> v1::SubtleSignResponse;
        subtle_verify_alpha1(v1::SubtleVerifyRequest) -> v1::SubtleVerifyResponse;
        start_workflow_alpha1(v1::StartWorkflowRequest) -> v1::StartWorkflowResponse;
        get_workflow_alpha1(v1::GetWorkflowRequest) -> v1::GetWorkflowResponse;
        purge_workflow_alpha1(v1::PurgeWorkflowRequest) -> ();
        terminate_workflow_alpha1(v1::TerminateWorkflowRequest) -> ();
        pause_workflow_alpha1(v1::PauseWorkflowRequest) -> ();
        resume_workflow_alpha1(v1::ResumeWorkflowRequest) -> ();
        raise_event_workflow_alpha1(v1::RaiseEventWorkflowRequest) -> ();
        start_workflow_beta1(v1::StartWorkflowRequest) -> v1::StartWorkflowResponse;
        get_workflow_beta1(v1::GetWorkflowRequest) -> v1::GetWorkflowResponse;
        purge_workflow_beta1(v1::PurgeWorkflowRequest) -> ();
        terminate_workflow_beta1(v1::TerminateWorkflowRequest) -> ();
        pause_workflow_beta1(v1::PauseWorkflowRequest) -> ();
        resume_workflow_beta1(v1::ResumeWorkflowRequest) -> ();
        raise_event_workflow_beta1(v1::RaiseEventWorkflowRequest) -> ();
        shutdown(v1::ShutdownRequest) -> ();
        converse_alpha1(v1::ConversationRequest) -> v1::ConversationResponse;
        converse_alpha2(v1::ConversationRequestAlpha2) -> v1::ConversationResponseAlpha2;
        create_index_alpha1(v1::CreateIndexRequestAlpha1) -> ();
        get_index_alpha1(v1::GetIndexRequestAlpha1) -> v1::GetIndexResponseAlpha1;
        list_indexes_alpha1(v1::ListIndexesRequestAlpha1) -> v1::ListIndexesResponseAlpha1;
        delete_index_alpha1(v1::DeleteIndexRequestAlpha1) -> ();
        index_documents_alpha1(v1::IndexDocumentsRequestAlpha1) -> v1::IndexDocumentsResponseAlpha1;
        get_documents_alpha1(v1::GetDocumentsRequestAlpha1) -> v1::GetDocumentsResponseAlpha1;
        delete_documents_alpha1(v1::DeleteDocumentsRequestAlpha1) -> v1::DeleteDocumentsResponseAlpha1;
        search_alpha1(v1::SearchRequestAlpha1) -> v1::SearchResponseAlpha1;
        create_collection_alpha1(v1::CreateCollectionRequestAlpha1) -> ();
        get_collection_alpha1(v1::GetCollectionRequestAlpha1) -> v1::GetCollectionResponseAlpha1;
        list_collections_alpha1(v1::ListCollectionsRequestAlpha1) -> v1::ListCollectionsResponseAlpha1;
        delete_collection_alpha1(v1::DeleteCollectionRequestAlpha1) -> ();
        upsert_vectors_alpha1(v1::UpsertVectorsRequestAlpha1) -> v1::UpsertVectorsResponseAlpha1;
        delete_vectors_alpha1(v1::DeleteVectorsRequestAlpha1) -> v1::DeleteVectorsResponseAlpha1;
        get_vectors_alpha1(v1::GetVectorsRequestAlpha1) -> v1::GetVectorsResponseAlpha1;
        query_vectors_alpha1(v1::QueryVectorsRequestAlpha1) -> v1::QueryVectorsResponseAlpha1;
        batch_query_vectors_alpha1(v1::BatchQueryVectorsRequestAlpha1) -> v1::BatchQueryVectorsResponseAlpha1;
    }
}
