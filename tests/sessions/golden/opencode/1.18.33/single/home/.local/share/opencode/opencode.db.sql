CREATE TABLE `message` (
          `id` text PRIMARY KEY,
          `session_id` text NOT NULL,
          `time_created` integer NOT NULL,
          `time_updated` integer NOT NULL,
          `data` text NOT NULL,
          CONSTRAINT `fk_message_session_id_session_id_fk` FOREIGN KEY (`session_id`) REFERENCES `session`(`id`) ON DELETE CASCADE
        );
INSERT INTO "message" VALUES('msg_21f71b59a001JE2HQ5WIde7ab8','ses_de08e5367ffeBhj3r11PNEivW8',1795823875482,1795823927168,'{"role":"user","time":{"created":1795823875482},"agent":"build","model":{"providerID":"gw","modelID":"test-model"},"summary":{"diffs":[{"file":"app.py","patch":"Index: app.py\n===================================================================\n--- app.py\t\n+++ app.py\t\n@@ -1,6 +1,6 @@\n def greet(name):\n-    return \"hello \" + name\n+    return \"HELLO \" + name.upper()\n \n \n def part(name):\n     return \"bye \" + name\n","additions":1,"deletions":1,"status":"modified"}]}}');
INSERT INTO "message" VALUES('msg_21f71cea9001TsRlx7zefE3V0R','ses_de08e5367ffeBhj3r11PNEivW8',1795823881897,1795823901904,'{"parentID":"msg_21f71b59a001JE2HQ5WIde7ab8","role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0,"tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"modelID":"test-model","providerID":"gw","time":{"created":1795823881897,"completed":1795823901899},"finish":"tool-calls"}');
INSERT INTO "message" VALUES('msg_21f721cdb001Zi7bgSwdHbRpzv','ses_de08e5367ffeBhj3r11PNEivW8',1795823901915,1795823907270,'{"parentID":"msg_21f71b59a001JE2HQ5WIde7ab8","role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0,"tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"modelID":"test-model","providerID":"gw","time":{"created":1795823901915,"completed":1795823907269},"finish":"tool-calls"}');
INSERT INTO "message" VALUES('msg_21f723202001JE5jqSKf7QGENB','ses_de08e5367ffeBhj3r11PNEivW8',1795823907333,1795823920623,'{"parentID":"msg_21f71b59a001JE2HQ5WIde7ab8","role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0,"tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"modelID":"test-model","providerID":"gw","time":{"created":1795823907333,"completed":1795823920621},"finish":"tool-calls"}');
INSERT INTO "message" VALUES('msg_21f726633001IwSYDOd1X72DBR','ses_de08e5367ffeBhj3r11PNEivW8',1795823920691,1795823933082,'{"parentID":"msg_21f71b59a001JE2HQ5WIde7ab8","role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0,"tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"modelID":"test-model","providerID":"gw","time":{"created":1795823920691,"completed":1795823933081},"finish":"stop"}');
CREATE TABLE `part` (
          `id` text PRIMARY KEY,
          `message_id` text NOT NULL,
          `session_id` text NOT NULL,
          `time_created` integer NOT NULL,
          `time_updated` integer NOT NULL,
          `data` text NOT NULL,
          CONSTRAINT `fk_part_message_id_message_id_fk` FOREIGN KEY (`message_id`) REFERENCES `message`(`id`) ON DELETE CASCADE
        );
INSERT INTO "part" VALUES('prt_21f71b604001IVExJgM2W0wHN8','msg_21f71b59a001JE2HQ5WIde7ab8','ses_de08e5367ffeBhj3r11PNEivW8',1795823881637,1795823881661,'{"type":"text","text":"Make `greet()` shout:\n\n\treturn \"HELLO\"  — naïve café, 日本 🎉; \\n stays, $HOME too\n  #### not a heading\n> not a quote\n<b>not a tag</b> ''single'' \"double\""}');
INSERT INTO "part" VALUES('prt_21f720ebc001KU8jhlY8TBcIPD','msg_21f71cea9001TsRlx7zefE3V0R','ses_de08e5367ffeBhj3r11PNEivW8',1795823898301,1795823898312,'{"snapshot":"647abe5bf6881aa1b8508237e284eb60b68b5f1c","type":"step-start"}');
INSERT INTO "part" VALUES('prt_21f720ed50013vb3VKNUj74uW0','msg_21f71cea9001TsRlx7zefE3V0R','ses_de08e5367ffeBhj3r11PNEivW8',1795823898325,1795823899052,'{"type":"tool","tool":"read","callID":"call_0_0","state":{"status":"completed","input":{"filePath":"/home/dev/shop/app.py"},"output":"<path>/home/dev/shop/app.py</path>\n<type>file</type>\n<content>\n1: def greet(name):\n2:     return \"hello \" + name\n3: \n4: \n5: def part(name):\n6:     return \"bye \" + name\n\n(End of file - total 6 lines)\n</content>","metadata":{"preview":"def greet(name):\n    return \"hello \" + name\n\n\ndef part(name):\n    return \"bye \" + name","truncated":false,"loaded":[],"display":{"type":"file","path":"/home/dev/shop/app.py","text":"def greet(name):\n    return \"hello \" + name\n\n\ndef part(name):\n    return \"bye \" + name","lineStart":1,"lineEnd":6,"totalLines":6,"truncated":false}},"title":"app.py","time":{"start":1795823898404,"end":1795823899050}}}');
INSERT INTO "part" VALUES('prt_21f7219d40016vg1WNNjMSmBWJ','msg_21f71cea9001TsRlx7zefE3V0R','ses_de08e5367ffeBhj3r11PNEivW8',1795823901140,1795823901188,'{"reason":"tool-calls","snapshot":"647abe5bf6881aa1b8508237e284eb60b68b5f1c","type":"step-finish","tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"cost":0}');
INSERT INTO "part" VALUES('prt_21f72227a001eInIpDEuRcNtW6','msg_21f721cdb001Zi7bgSwdHbRpzv','ses_de08e5367ffeBhj3r11PNEivW8',1795823903354,1795823903355,'{"snapshot":"647abe5bf6881aa1b8508237e284eb60b68b5f1c","type":"step-start"}');
INSERT INTO "part" VALUES('prt_21f7222ac001Iot9gAlAuxKmgQ','msg_21f721cdb001Zi7bgSwdHbRpzv','ses_de08e5367ffeBhj3r11PNEivW8',1795823903404,1795823903998,'{"type":"tool","tool":"edit","callID":"call_1_0","state":{"status":"completed","input":{"filePath":"/home/dev/shop/app.py","oldString":"    return \"hello \" + name","newString":"    return \"HELLO \" + name.upper()"},"output":"Edit applied successfully.","metadata":{"diagnostics":{},"diff":"Index: /home/dev/shop/app.py\n===================================================================\n--- /home/dev/shop/app.py\n+++ /home/dev/shop/app.py\n@@ -1,6 +1,6 @@\n def greet(name):\n-    return \"hello \" + name\n+    return \"HELLO \" + name.upper()\n \n \n def part(name):\n     return \"bye \" + name\n","filediff":{"file":"/home/dev/shop/app.py","patch":"Index: /home/dev/shop/app.py\n===================================================================\n--- /home/dev/shop/app.py\n+++ /home/dev/shop/app.py\n@@ -1,6 +1,6 @@\n def greet(name):\n-    return \"hello \" + name\n+    return \"HELLO \" + name.upper()\n \n \n def part(name):\n     return \"bye \" + name\n","additions":1,"deletions":1},"truncated":false},"title":"app.py","time":{"start":1795823903671,"end":1795823903954}}}');
INSERT INTO "part" VALUES('prt_21f722924001uUd4jzxRhXiNRH','msg_21f721cdb001Zi7bgSwdHbRpzv','ses_de08e5367ffeBhj3r11PNEivW8',1795823905083,1795823905097,'{"reason":"tool-calls","snapshot":"e01bb462760cdbe478c271b763f8c140152a739f","type":"step-finish","tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"cost":0}');
INSERT INTO "part" VALUES('prt_21f723193001HCF2xX2mfyfNj2','msg_21f721cdb001Zi7bgSwdHbRpzv','ses_de08e5367ffeBhj3r11PNEivW8',1795823907220,1795823907223,'{"type":"patch","hash":"647abe5bf6881aa1b8508237e284eb60b68b5f1c","files":["/home/dev/shop/app.py"]}');
INSERT INTO "part" VALUES('prt_21f723c29001jjOvijWxFl6ru0','msg_21f723202001JE5jqSKf7QGENB','ses_de08e5367ffeBhj3r11PNEivW8',1795823909929,1795823909931,'{"snapshot":"e01bb462760cdbe478c271b763f8c140152a739f","type":"step-start"}');
INSERT INTO "part" VALUES('prt_21f723d30001k5rEaSf13yxB8S','msg_21f723202001JE5jqSKf7QGENB','ses_de08e5367ffeBhj3r11PNEivW8',1795823910193,1795823914867,'{"type":"tool","tool":"bash","callID":"call_2_0","state":{"status":"completed","input":{"command":"git commit -am \"Shout the greeting\"","description":"do it"},"output":"[main 48ad17e] Shout the greeting\n 1 file changed, 1 insertion(+), 1 deletion(-)\n","metadata":{"output":"[main 48ad17e] Shout the greeting\n 1 file changed, 1 insertion(+), 1 deletion(-)\n","exit":0,"truncated":false},"title":"git commit -am \"Shout the greeting\"","time":{"start":1795823910530,"end":1795823914866}}}');
INSERT INTO "part" VALUES('prt_21f725ddb001xI5uYWedJHh94U','msg_21f723202001JE5jqSKf7QGENB','ses_de08e5367ffeBhj3r11PNEivW8',1795823918558,1795823918560,'{"reason":"tool-calls","snapshot":"e01bb462760cdbe478c271b763f8c140152a739f","type":"step-finish","tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"cost":0}');
INSERT INTO "part" VALUES('prt_21f7279e6001R5UuLSIU8pZtOB','msg_21f726633001IwSYDOd1X72DBR','ses_de08e5367ffeBhj3r11PNEivW8',1795823925734,1795823925735,'{"snapshot":"e01bb462760cdbe478c271b763f8c140152a739f","type":"step-start"}');
INSERT INTO "part" VALUES('prt_21f7279f5001NAfQ7WNG9cxrlh','msg_21f726633001IwSYDOd1X72DBR','ses_de08e5367ffeBhj3r11PNEivW8',1795823925749,1795823925754,'{"type":"text","text":"All done.","time":{"start":1795823925749,"end":1795823925753}}');
INSERT INTO "part" VALUES('prt_21f728ecd001qMhzqmXtPsUQPz','msg_21f726633001IwSYDOd1X72DBR','ses_de08e5367ffeBhj3r11PNEivW8',1795823931085,1795823931086,'{"reason":"stop","snapshot":"e01bb462760cdbe478c271b763f8c140152a739f","type":"step-finish","tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"cost":0}');
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
INSERT INTO "session" VALUES('ses_de08e5367ffeBhj3r11PNEivW8','c137d789db91acbb6610c61a2e998affe76ccf55',NULL,NULL,'cosmic-pixel','/home/dev/shop','','t','1.18.33',NULL,0,0,0,NULL,NULL,0.0,2800,80,0,1200,0,NULL,'[{"permission":"question","pattern":"*","action":"deny"},{"permission":"plan_enter","pattern":"*","action":"deny"},{"permission":"plan_exit","pattern":"*","action":"deny"}]','build','{"id":"test-model","providerID":"gw","variant":"default"}',1795823873177,1795823933841,NULL,NULL);
