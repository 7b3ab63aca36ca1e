CREATE TABLE `message` (
          `id` text PRIMARY KEY,
          `session_id` text NOT NULL,
          `time_created` integer NOT NULL,
          `time_updated` integer NOT NULL,
          `data` text NOT NULL,
          CONSTRAINT `fk_message_session_id_session_id_fk` FOREIGN KEY (`session_id`) REFERENCES `session`(`id`) ON DELETE CASCADE
        );
INSERT INTO "message" VALUES('msg_21f7f0312001g6UQsa5PxmdK8V','ses_de0810d04ffeOfsPzUa3m3lW9u',1795824747282,1795824863289,'{"role":"user","time":{"created":1795824747282},"agent":"build","model":{"providerID":"gw","modelID":"test-model"},"summary":{"diffs":[]}}');
INSERT INTO "message" VALUES('msg_21f7f82b20016ui5rUV2kRRdPO','ses_de0810d04ffeOfsPzUa3m3lW9u',1795824779954,1795824859306,'{"parentID":"msg_21f7f0312001g6UQsa5PxmdK8V","role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0,"tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"modelID":"test-model","providerID":"gw","time":{"created":1795824779954,"completed":1795824859240},"finish":"tool-calls"}');
INSERT INTO "message" VALUES('msg_21f80b8f2001gri4qncDzYzmah','ses_de0810d04ffeOfsPzUa3m3lW9u',1795824859378,1795824869282,'{"parentID":"msg_21f7f0312001g6UQsa5PxmdK8V","role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0,"tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"modelID":"test-model","providerID":"gw","time":{"created":1795824859378,"completed":1795824869281},"finish":"tool-calls"}');
INSERT INTO "message" VALUES('msg_21f815d31001ijDZYdL1O90Arh','ses_de0810d04ffeOfsPzUa3m3lW9u',1795824901425,1795825229455,'{"role":"user","time":{"created":1795824901425},"agent":"build","model":{"providerID":"gw","modelID":"test-model"},"summary":{"diffs":[{"file":"README.md","patch":"Index: README.md\n===================================================================\n--- README.md\t\n+++ README.md\t\n@@ -1,3 +1,3 @@\n # shop\n \n-Says hello.\n+Says hello, loudly.\n","additions":1,"deletions":1,"status":"modified"}]}}');
INSERT INTO "message" VALUES('msg_21f8187ed001UTLqzs6JHm0DzN','ses_de0810d04ffeOfsPzUa3m3lW9u',1795824912365,1795824948353,'{"parentID":"msg_21f815d31001ijDZYdL1O90Arh","role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0,"tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"modelID":"test-model","providerID":"gw","time":{"created":1795824912365,"completed":1795824948319},"finish":"tool-calls"}');
INSERT INTO "message" VALUES('msg_21f821502001vykm6T7KaHDtbv','ses_de0810d04ffeOfsPzUa3m3lW9u',1795824948483,1795825042782,'{"parentID":"msg_21f815d31001ijDZYdL1O90Arh","role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0,"tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"modelID":"test-model","providerID":"gw","time":{"created":1795824948483,"completed":1795825042455},"finish":"tool-calls"}');
INSERT INTO "message" VALUES('msg_21f838b9c001Vzj832ciKRS8G0','ses_de0810d04ffeOfsPzUa3m3lW9u',1795825044381,1795825147729,'{"parentID":"msg_21f815d31001ijDZYdL1O90Arh","role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0,"tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"modelID":"test-model","providerID":"gw","time":{"created":1795825044381,"completed":1795825147384},"finish":"tool-calls"}');
INSERT INTO "message" VALUES('msg_21f852162001l39I1ouOE8kyHE','ses_de0810d04ffeOfsPzUa3m3lW9u',1795825148258,1795825258793,'{"parentID":"msg_21f815d31001ijDZYdL1O90Arh","role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0,"tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"modelID":"test-model","providerID":"gw","time":{"created":1795825148258},"finish":"stop"}');
CREATE TABLE `part` (
          `id` text PRIMARY KEY,
          `message_id` text NOT NULL,
          `session_id` text NOT NULL,
          `time_created` integer NOT NULL,
          `time_updated` integer NOT NULL,
          `data` text NOT NULL,
          CONSTRAINT `fk_part_message_id_message_id_fk` FOREIGN KEY (`message_id`) REFERENCES `message`(`id`) ON DELETE CASCADE
        );
INSERT INTO "part" VALUES('prt_21f7f04af001nNag3lHrGRutwL','msg_21f7f0312001g6UQsa5PxmdK8V','ses_de0810d04ffeOfsPzUa3m3lW9u',1795824778318,1795824778818,'{"type":"text","text":"Shout the greeting."}');
INSERT INTO "part" VALUES('prt_21f809ae4001vYjwzzuYJQd0ZG','msg_21f7f82b20016ui5rUV2kRRdPO','ses_de0810d04ffeOfsPzUa3m3lW9u',1795824851731,1795824851754,'{"snapshot":"647abe5bf6881aa1b8508237e284eb60b68b5f1c","type":"step-start"}');
INSERT INTO "part" VALUES('prt_21f809b4a001TPJOm3HMCBwVMN','msg_21f7f82b20016ui5rUV2kRRdPO','ses_de0810d04ffeOfsPzUa3m3lW9u',1795824851786,1795824855233,'{"type":"tool","tool":"read","callID":"call_0_0","state":{"status":"completed","input":{"filePath":"/home/dev/shop/app.py"},"output":"<path>/home/dev/shop/app.py</path>\n<type>file</type>\n<content>\n1: def greet(name):\n2:     return \"hello \" + name\n3: \n4: \n5: def part(name):\n6:     return \"bye \" + name\n\n(End of file - total 6 lines)\n</content>","metadata":{"preview":"def greet(name):\n    return \"hello \" + name\n\n\ndef part(name):\n    return \"bye \" + name","truncated":false,"loaded":[],"display":{"type":"file","path":"/home/dev/shop/app.py","text":"def greet(name):\n    return \"hello \" + name\n\n\ndef part(name):\n    return \"bye \" + name","lineStart":1,"lineEnd":6,"totalLines":6,"truncated":false}},"title":"app.py","time":{"start":1795824852159,"end":1795824855212}}}');
INSERT INTO "part" VALUES('prt_21f80b2b7001SegGk9wbmCq0mb','msg_21f7f82b20016ui5rUV2kRRdPO','ses_de0810d04ffeOfsPzUa3m3lW9u',1795824857783,1795824857874,'{"reason":"tool-calls","snapshot":"647abe5bf6881aa1b8508237e284eb60b68b5f1c","type":"step-finish","tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"cost":0}');
INSERT INTO "part" VALUES('prt_21f80cac2001bAv6f48rV0vwxS','msg_21f80b8f2001gri4qncDzYzmah','ses_de0810d04ffeOfsPzUa3m3lW9u',1795824863938,1795824863940,'{"snapshot":"647abe5bf6881aa1b8508237e284eb60b68b5f1c","type":"step-start"}');
INSERT INTO "part" VALUES('prt_21f80cb680014DP9LX6FEIGD5H','msg_21f80b8f2001gri4qncDzYzmah','ses_de0810d04ffeOfsPzUa3m3lW9u',1795824864104,1795824865370,'{"type":"tool","tool":"edit","callID":"call_1_0","state":{"status":"error","input":{"filePath":"/home/dev/shop/app.py","oldString":"    return \"hello \" + name","newString":"    return \"HELLO \" + name.upper()"},"error":"The user rejected permission to use this specific tool call.","time":{"start":1795824864575,"end":1795824865368}}}');
INSERT INTO "part" VALUES('prt_21f80d79d001akQW9uw28uoJWL','msg_21f80b8f2001gri4qncDzYzmah','ses_de0810d04ffeOfsPzUa3m3lW9u',1795824867230,1795824867293,'{"reason":"tool-calls","snapshot":"647abe5bf6881aa1b8508237e284eb60b68b5f1c","type":"step-finish","tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"cost":0}');
INSERT INTO "part" VALUES('prt_21f815e77001S6inZLKn6Zh75R','msg_21f815d31001ijDZYdL1O90Arh','ses_de0810d04ffeOfsPzUa3m3lW9u',1795824912320,1795824912322,'{"type":"text","text":"No, only say so in the README, and commit."}');
INSERT INTO "part" VALUES('prt_21f81efc9001IKyk5HLvvpeQlF','msg_21f8187ed001UTLqzs6JHm0DzN','ses_de0810d04ffeOfsPzUa3m3lW9u',1795824938954,1795824939017,'{"snapshot":"647abe5bf6881aa1b8508237e284eb60b68b5f1c","type":"step-start"}');
INSERT INTO "part" VALUES('prt_21f81f043001GJs8a63XHX9j4W','msg_21f8187ed001UTLqzs6JHm0DzN','ses_de0810d04ffeOfsPzUa3m3lW9u',1795824939076,1795824942746,'{"type":"tool","tool":"read","callID":"call_2_0","state":{"status":"completed","input":{"filePath":"/home/dev/shop/README.md"},"output":"<path>/home/dev/shop/README.md</path>\n<type>file</type>\n<content>\n1: # shop\n2: \n3: Says hello.\n\n(End of file - total 3 lines)\n</content>","metadata":{"preview":"# shop\n\nSays hello.","truncated":false,"loaded":[],"display":{"type":"file","path":"/home/dev/shop/README.md","text":"# shop\n\nSays hello.","lineStart":1,"lineEnd":3,"totalLines":3,"truncated":false}},"title":"README.md","time":{"start":1795824939494,"end":1795824942648}}}');
INSERT INTO "part" VALUES('prt_21f8210b9001xcXUbXVbv57Og1','msg_21f8187ed001UTLqzs6JHm0DzN','ses_de0810d04ffeOfsPzUa3m3lW9u',1795824947386,1795824947388,'{"reason":"tool-calls","snapshot":"647abe5bf6881aa1b8508237e284eb60b68b5f1c","type":"step-finish","tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"cost":0}');
INSERT INTO "part" VALUES('prt_21f8238b7001KNsoAD6Z7z9fQM','msg_21f821502001vykm6T7KaHDtbv','ses_de0810d04ffeOfsPzUa3m3lW9u',1795824957623,1795824957685,'{"snapshot":"647abe5bf6881aa1b8508237e284eb60b68b5f1c","type":"step-start"}');
INSERT INTO "part" VALUES('prt_21f823977001gML54G1Ef7Av6o','msg_21f821502001vykm6T7KaHDtbv','ses_de0810d04ffeOfsPzUa3m3lW9u',1795824957905,1795824965175,'{"type":"tool","tool":"edit","callID":"call_3_0","state":{"status":"completed","input":{"filePath":"/home/dev/shop/README.md","oldString":"Says hello.","newString":"Says hello, loudly."},"output":"Edit applied successfully.","metadata":{"diagnostics":{},"diff":"Index: /home/dev/shop/README.md\n===================================================================\n--- /home/dev/shop/README.md\n+++ /home/dev/shop/README.md\n@@ -1,3 +1,3 @@\n # shop\n \n-Says hello.\n+Says hello, loudly.\n","filediff":{"file":"/home/dev/shop/README.md","patch":"Index: /home/dev/shop/README.md\n===================================================================\n--- /home/dev/shop/README.md\n+++ /home/dev/shop/README.md\n@@ -1,3 +1,3 @@\n # shop\n \n-Says hello.\n+Says hello, loudly.\n","additions":1,"deletions":1},"truncated":false},"title":"README.md","time":{"start":1795824959561,"end":1795824964908}}}');
INSERT INTO "part" VALUES('prt_21f82de0a001POYJ9M0oxc9JvF','msg_21f821502001vykm6T7KaHDtbv','ses_de0810d04ffeOfsPzUa3m3lW9u',1795824999947,1795825004978,'{"reason":"tool-calls","snapshot":"66b296d13b2a32786f2e650e96d504d8d6d5609f","type":"step-finish","tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"cost":0}');
INSERT INTO "part" VALUES('prt_21f837d66001KnR8MjWemi52H0','msg_21f821502001vykm6T7KaHDtbv','ses_de0810d04ffeOfsPzUa3m3lW9u',1795825040742,1795825041327,'{"type":"patch","hash":"647abe5bf6881aa1b8508237e284eb60b68b5f1c","files":["/home/dev/shop/README.md"]}');
INSERT INTO "part" VALUES('prt_21f84248b001hz09OUjwmqawfk','msg_21f838b9c001Vzj832ciKRS8G0','ses_de0810d04ffeOfsPzUa3m3lW9u',1795825083531,1795825083995,'{"snapshot":"66b296d13b2a32786f2e650e96d504d8d6d5609f","type":"step-start"}');
INSERT INTO "part" VALUES('prt_21f842802001ttVD3hQcT5n1AF','msg_21f838b9c001Vzj832ciKRS8G0','ses_de0810d04ffeOfsPzUa3m3lW9u',1795825084418,1795825112915,'{"type":"tool","tool":"bash","callID":"call_4_0","state":{"status":"completed","input":{"command":"git commit -am \"Say that it is loud\"","description":"do it"},"output":"[main 06a518a] Say that it is loud\n 1 file changed, 1 insertion(+), 1 deletion(-)\n","metadata":{"output":"[main 06a518a] Say that it is loud\n 1 file changed, 1 insertion(+), 1 deletion(-)\n","exit":0,"truncated":false},"title":"git commit -am \"Say that it is loud\"","time":{"start":1795825087767,"end":1795825112914}}}');
INSERT INTO "part" VALUES('prt_21f84ed6b001V7MnS9MW4KVYqC','msg_21f838b9c001Vzj832ciKRS8G0','ses_de0810d04ffeOfsPzUa3m3lW9u',1795825134956,1795825134957,'{"reason":"tool-calls","snapshot":"66b296d13b2a32786f2e650e96d504d8d6d5609f","type":"step-finish","tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"cost":0}');
INSERT INTO "part" VALUES('prt_21f8620b20015HhVbrPKnC3yCN','msg_21f852162001l39I1ouOE8kyHE','ses_de0810d04ffeOfsPzUa3m3lW9u',1795825213618,1795825213619,'{"snapshot":"66b296d13b2a32786f2e650e96d504d8d6d5609f","type":"step-start"}');
INSERT INTO "part" VALUES('prt_21f862670001vh6ZsrUbkybkQ3','msg_21f852162001l39I1ouOE8kyHE','ses_de0810d04ffeOfsPzUa3m3lW9u',1795825215555,1795825217565,'{"type":"text","text":"All done.","time":{"start":1795825215088,"end":1795825216971}}');
INSERT INTO "part" VALUES('prt_21f86cdad001R2axodJEo5EbQc','msg_21f852162001l39I1ouOE8kyHE','ses_de0810d04ffeOfsPzUa3m3lW9u',1795825257901,1795825257902,'{"reason":"stop","snapshot":"66b296d13b2a32786f2e650e96d504d8d6d5609f","type":"step-finish","tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"cost":0}');
CREATE TABLE `session` (
          `id` text PRIMARY KEY,
          `project_id` text NOT NULL,
          `workspace_id` text,
          `parent_id` text,
          `slug` text NOT NULL,
          `directory` text NOT NULL,
          `path` text,
          `title` text NOT NULL,
          `version` text NOT NULL,
          `share_url` text,
          `summary_additions` integer,
          `summary_deletions` integer,
          `summary_files` integer,
          `summary_diffs` text,
          `metadata` text,
          `cost` real DEFAULT 0 NOT NULL,
          `tokens_input` integer DEFAULT 0 NOT NULL,
          `tokens_output` integer DEFAULT 0 NOT NULL,
          `tokens_reasoning` integer DEFAULT 0 NOT NULL,
          `tokens_cache_read` integer DEFAULT 0 NOT NULL,
          `tokens_cache_write` integer DEFAULT 0 NOT NULL,
          `revert` text,
          `permission` text,
          `agent` text,
          `model` text,
          `time_created` integer NOT NULL,
          `time_updated` integer NOT NULL,
          `time_compacting` integer,
          `time_archived` integer,
          CONSTRAINT `fk_session_project_id_project_id_fk` FOREIGN KEY (`project_id`) REFERENCES `project`(`id`) ON DELETE CASCADE
        );
INSERT INTO "session" VALUES('ses_de0810d04ffeOfsPzUa3m3lW9u','7c8cc4b194f15ee4564d7d887ecec18330395593',NULL,NULL,'stellar-nebula','/home/dev/shop','','t','1.18.33',NULL,0,0,0,NULL,NULL,0.0,4200,120,0,1800,0,NULL,'[{"permission":"question","pattern":"*","action":"deny"},{"permission":"plan_enter","pattern":"*","action":"deny"},{"permission":"plan_exit","pattern":"*","action":"deny"}]','build','{"id":"test-model","providerID":"gw","variant":"default"}',1795824743163,1795825149357,NULL,NULL);
