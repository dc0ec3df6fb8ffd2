-- The request that wrk sends again and again: wrk -t1 -c32 -d10s --latency -s examples/serve/load/post.lua http://127.0.0.1:8000/predict
local file = assert(io.open(os.getenv("BODY") or "examples/serve/data/three.json"))
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = file:read("a")
file:close()
