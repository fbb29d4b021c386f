// Works every two seconds.
const fs = require("fs");
setInterval(() => fs.writeFileSync("/tmp/ready", String(Date.now())), 2000);
console.log(JSON.stringify({ level: 30, msg: "at work" }));
