-- What wrk found, as the one line of its output that begins with a brace. Durations and latencies are microseconds.
done = function(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '{"requests": %d, "bytes": %d, "duration_us": %d, "p50_us": %f, "p99_us": %f, "errors": %d}\n',
      summary.requests, summary.bytes, summary.duration, latency:percentile(50), latency:percentile(99),
      errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
