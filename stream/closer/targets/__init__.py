"""The systems that pause, close and bring back alerts, each in a file of its own behind one small port.

target        the port
addresses     which addresses they may have
http_client   HTTP for all of them: checked addresses, no redirects, no proxies
alertmanager  silences
pagerduty     Events API v2
webhook       posts signed by Standard Webhooks
targets_file  the TOML that names them
"""
