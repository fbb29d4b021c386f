// Thumbnails in small. This release has a fault: it answers an error.
const express = require("express");
const fs = require("fs");
const app = express();
app.get("/", (_request, answer) => {
  console.log(JSON.stringify({ level: 50, msg: "TypeError: sharp is not a function" }));
  answer.status(500).json({ error: "sharp is not a function" });
});
app.listen(3000, () => {
  fs.writeFileSync("/tmp/ready", "");
  console.log(JSON.stringify({ level: 30, msg: "listening" }));
});
