// SPDX-License-Identifier: Apache-2.0
// When the handler was entered, by the clock that all processes share, and in which process. `wait`
// in the query keeps it busy for so many milliseconds, so that another environment must start.
exports.entered = (work) => async (event) => {
  const at = process.hrtime.bigint();
  const value = work();
  const ms = Number(event.queryStringParameters?.wait ?? 0);
  await new Promise((resolve) => { setTimeout(resolve, ms); });
  return { statusCode: 200, body: `${at} ${process.pid} ${value}` };
};
