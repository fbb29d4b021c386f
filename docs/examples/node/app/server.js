// Thumbnails in small: answers, and has a worker beside it. No database.
const express = require("express");
const fs = require("fs");
const app = express();
app.get("/", (_request, answer) => answer.json({ thumbnails: 3 }));
app.listen(3000, () => {
  fs.writeFileSync("/tmp/ready", "");
  console.log(JSON.stringify({ level: 30, msg: "listening" }));
});
