//! What passes over the link of a lost device, and how one comes back whose certificate ended.

use super::*;

fn last_order() -> wire::Notice {
    let order = wire::LastOrder { order: b"the order".as_slice().into() };
    wire::Notice { server_time: server_time(), notice: Some(wire::notice::Notice::LastOrder(order)) }
}

fn receipt() -> ToServer {
    ToServer::Receipt(wire::ReceiptRequest { receipt: b"done".as_slice().into() })
}

async fn taken(link: &mut Running) -> bool {
    loop {
        if let FromServer::ReceiptTaken { taken_back } = link.next().await {
            return taken_back;
        }
    }
}

#[tokio::test]
async fn an_order_passes_an_owner_that_takes_no_news_and_its_receipt_goes_before_anything_else() {
    let organization = Organization::new();
    let said: Arc<Mutex<Vec<&str>>> = Arc::default();
    let (follows, receipts) = (Arc::clone(&said), Arc::clone(&said));
    let script = Script {
        follow: Box::new(move |request| {
            assert!(request.last_orders && !request.boot.is_empty());
            follows.lock().unwrap().push("follow");
            Ok(vec![last_order()])
        }),
        receipt: Box::new(move |request| {
            assert_eq!(request.receipt.as_ref(), b"done");
            receipts.lock().unwrap().push("receipt");
            Ok(wire::ReceiptResponse { taken_back: true })
        }),
        ..Script::default()
    };
    let server = Server::start(&organization, Shown::default(), script).await;
    let (temp, device) = enrolled(&organization, &server, MONTH);
    let mut link = Running::start(device, temp.path());
    let order = timeout(SOON, link.last_orders.recv()).await.unwrap().unwrap();
    assert_eq!(order, b"the order");
    link.orders.send(receipt()).await.unwrap();
    assert!(taken(&mut link).await);
    until(|| said.lock().unwrap().len() == 3).await;
    assert_eq!(*said.lock().unwrap(), ["follow", "receipt", "follow"]);
}

#[tokio::test]
async fn a_receipt_is_sent_again_until_it_is_taken_and_a_refusal_means_that_nothing_is_left_to_say() {
    let organization = Organization::new();
    let times = Arc::new(AtomicUsize::new(0));
    let script = Script {
        receipt: Box::new(move |_| match times.fetch_add(1, Ordering::Relaxed) {
            0 => Err(Status::unavailable("not now")),
            _ => Err(Status::permission_denied("refused (reference 4711)")),
        }),
        ..Script::default()
    };
    let server = Server::start(&organization, Shown::default(), script).await;
    let (temp, device) = enrolled(&organization, &server, MONTH);
    let mut link = Running::start(device, temp.path());
    link.orders.send(receipt()).await.unwrap();
    assert!(!taken(&mut link).await);
}

#[tokio::test]
async fn a_device_whose_certificate_ended_comes_back_with_a_new_key() {
    let organization = Arc::new(Organization::new());
    let ca = Arc::clone(&organization);
    let script = Script {
        come_back: Box::new(move |request| {
            assert!(!request.signature.is_empty() && !request.certificate.is_empty());
            let chain = ca.device_chain(&key_of(&request.csr), MONTH);
            Ok(wire::ComeBackResponse { chain: chain.into_iter().map(Into::into).collect() })
        }),
        ..Script::default()
    };
    let server = Server::start(&organization, Shown::default(), script).await;
    let (temp, device) = enrolled(&organization, &server, (-7200, -3600));
    let ended = device.not_after;
    let mut link = Running::start(device, temp.path());
    link.up().await;
    let back = crate::identity::enrolled(temp.path()).unwrap().unwrap();
    assert!(back.not_after > ended);
    let shown = server.shown.lock().unwrap().clone();
    assert_eq!(shown[0], None, "an ended certificate is not shown to TLS");
    assert_eq!(shown[1].as_deref(), Some(back.certificate()));
}
