//! The AWS Lambda function: the CRM's API behind API Gateway. Configured by the environment (docs/configuration.md).

use std::{process::ExitCode, sync::Arc};

use crm_lambda::server::{
    Environment, Faults, Program, Settings, aws,
    lambda::{Event, Function},
    logs,
};
use lambda_http::{lambda_runtime, service_fn};

async fn settings() -> Result<Settings, Faults> {
    let mut environment = Environment::of_process()?;
    aws::secrets::fetch(&mut environment).await?;
    Settings::read(&environment, Program::Lambda)
}

// A function serves one request at a time. Other threads are only needed for hashing and for the clients' own work.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let settings = match settings().await {
        Ok(settings) => settings,
        Err(faults) => {
            eprintln!("{faults}");
            return ExitCode::from(2);
        }
    };
    logs::begin(&settings);
    let function = Arc::new(Function::new(settings));
    function.warm().await;
    let handle = service_fn(|event: Event| {
        let function = Arc::clone(&function);
        async move { function.handle(event).await }
    });
    match lambda_runtime::run(handle).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the runtime ended");
            ExitCode::FAILURE
        }
    }
}
